"""``leap-avvp visualize``: figures of one run, or of two side by side."""

from __future__ import annotations

import argparse
from pathlib import Path

from leap_avvp.cli.arguments import add_link_store, count, in_flags
from leap_avvp.errors import ConfigError

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "visualize"
ABOUT = "draw parsed videos of a run, or its curves, F1 of each class, kinds of mistakes and attention"
EXAMPLE = """\
leap-avvp visualize --run outputs/train/LEAP --video=-AbCdEf_012
leap-avvp visualize --run outputs/train/LEAP --compare outputs/train/MMIL --pick disagreement --count 3
leap-avvp visualize --run outputs/train/LEAP --summary"""

_FLAGS = {"data.root": "--data", "data.annotations": "--annotations", "data.link_store": "--link-store"}
_PICKS = ("overlapping", "changing", "disagreement", "worst")
_WHAT_IS_PICKED = """\
A video's figure shows its events over time (truth and prediction) and, by class, truth, cross-modal attention and
probabilities; of more than 30 classes, those that occur in it. What is picked:
  overlapping   events of different classes overlap in time in the truth; the longest overlap first
  changing      events are heard or seen for a part of the video in the truth; the most such events first
  disagreement  the two runs' predictions differ most (needs --compare)
  worst         lowest mean of the ten scores, of --run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs and what is drawn of them."""
    parser.description = f"{ABOUT[0].upper()}{ABOUT[1:]} (PNG and SVG)."
    parser.epilog = f"{parser.epilog}\n\n{_WHAT_IS_PICKED}"
    parser.add_argument("--run", type=Path, required=True, metavar="DIR", help="folder of a finished `leap-avvp train`")
    parser.add_argument(
        "--compare", type=Path, metavar="DIR", help="another run on the same videos, such as a baseline"
    )
    what = parser.add_argument_group("what to draw, at least one of")
    what.add_argument(
        "--video", action="append", metavar="ID", help="a test or validation video; --video=ID if it begins with a dash"
    )
    what.add_argument("--pick", choices=_PICKS, help="choose test videos")
    what.add_argument(
        "--summary",
        action="store_true",
        help="learning curves, F1 of each class, kinds of mistakes and where LEAP's attention lies, on the test split",
    )
    moved = parser.add_argument_group("where the runs' data lie now, if they have moved")
    moved.add_argument("--data", type=Path, metavar="DIR", help="in place of data.root")
    moved.add_argument("--annotations", type=Path, metavar="DIR", help="in place of data.annotations")
    add_link_store(moved)
    parser.add_argument("--count", type=count, default=4, metavar="N", help="videos that --pick takes (default: 4)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the figures go (default: figures/ in --run)")


def run(arguments: argparse.Namespace) -> int:
    """Write the figures and print their paths; return 0.

    Raises:
        ConfigError: nothing to draw, ``--pick disagreement`` of one run, or an unknown video.
        DataError: a folder that is not one of a finished run, or two runs of different videos.
    """
    videos, pick, summary = arguments.video or [], arguments.pick, arguments.summary
    if not (videos or pick or summary):
        raise ConfigError("visualize: expected --video ID, --pick or --summary, found none of them")
    if pick == "disagreement" and arguments.compare is None:
        raise ConfigError("--pick disagreement: expected a second run to compare with, found none; add --compare DIR")
    from leap_avvp.figures.collection import picked_videos, summary_figures, video_figures
    from leap_avvp.figures.runs import open_runs
    from leap_avvp.figures.save import save_figure

    # The baseline's row stands above that of the run in question.
    folders = [arguments.run] if arguments.compare is None else [arguments.compare, arguments.run]
    moved = {"root": arguments.data, "annotations": arguments.annotations, "link_store": arguments.link_store}
    out = arguments.out or arguments.run / "figures"
    with in_flags(_FLAGS):
        runs = open_runs(folders, {key: place for key, place in moved.items() if place is not None})
        ids = list(dict.fromkeys([*videos, *(picked_videos(runs, pick, arguments.count) if pick else [])]))
        for name, figure in [*video_figures(runs, ids), *(summary_figures(runs) if summary else [])]:
            for path in save_figure(figure, out, name):
                print(path)
    return 0

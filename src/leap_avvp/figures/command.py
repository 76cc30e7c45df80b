"""``leap-avvp visualize``."""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from leap_avvp.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["add_arguments", "run", "save_figure"]

_DPI = 220


def add_arguments(add: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    """Add the sub-command; ``add(name, about, example)`` makes its parser."""
    parser = add(
        "visualize",
        "draw parsed videos with truth, attention and probabilities, or a whole run's curves, classes and mistakes",
        "leap-avvp visualize --run outputs/train/RUN --pick overlapping --compare outputs/train/MMIL_RUN",
    )
    parser.add_argument("--run", type=Path, required=True, metavar="DIR", help="folder of a finished run")
    parser.add_argument("--compare", type=Path, metavar="DIR", help="another run, drawn beside it")
    parser.add_argument("--video", metavar="ID", help="11-character id of a test video")
    parser.add_argument(
        "--pick", choices=("overlapping", "disagreement", "worst"), help="choose videos: most events at once, most "
        "disputed between the two runs, or worst parsed"
    )  # fmt: skip
    parser.add_argument("--count", type=int, default=3, metavar="N", help="how many --pick takes (default: 3)")
    parser.add_argument("--summary", action="store_true", help="draw learning curves, classes and mistakes")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where PNG and SVG go (default: the run's figures/)")


def run(arguments: argparse.Namespace) -> int:
    """Draw what is asked for, and name the files."""
    if not (arguments.video or arguments.pick or arguments.summary):
        raise ConfigError("visualize: name a video with --video ID, let --pick choose some, or ask for --summary")
    if arguments.count < 1:
        raise ConfigError(f"--count: expected a whole number of at least 1, found {arguments.count}")
    from leap_avvp.figures.parsed import draw_parsed_video
    from leap_avvp.figures.pick import pick_videos
    from leap_avvp.figures.runs import open_run, parse_video
    from leap_avvp.figures.summary import class_bars, error_bars, learning_curves

    folders = [arguments.run] + ([arguments.compare] if arguments.compare else [])
    runs = [open_run(folder) for folder in folders]
    out = arguments.out or arguments.run / "figures"
    videos = [arguments.video] if arguments.video else []
    if arguments.pick:
        videos += pick_videos(runs, arguments.pick, arguments.count)
    ordered = sorted(runs, key=lambda one: one.name == "LEAP")  # truth, MMIL, LEAP, as the paper has them
    for video in dict.fromkeys(videos):
        save_figure(draw_parsed_video(parse_video(ordered, video)), out / f"video_{video}")
    if arguments.summary:
        save_figure(class_bars(runs), out / "classes")
        save_figure(error_bars(runs), out / "mistakes")
        save_figure(learning_curves({f"{one.name} ({one.folder.name})": one.folder for one in runs}), out / "curves")
    return 0


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as ``path.png`` and ``path.svg``."""
    from leap_avvp.files import write_whole

    for suffix in ("png", "svg"):
        content = io.BytesIO()
        # No date: the same figure gives the same bytes.
        metadata = {"Date": None} if suffix == "svg" else None
        figure.savefig(content, format=suffix, dpi=_DPI, metadata=metadata)
        write_whole(path.with_name(f"{path.name}.{suffix}"), content.getvalue())
    print(f"written: {path}{{.png,.svg}}")

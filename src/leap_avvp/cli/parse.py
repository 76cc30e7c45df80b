"""``leap-avvp parse``: a video becomes a timeline, on the terminal and as one page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from leap_avvp.cli.work import add_engine, engine_of
from leap_avvp.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leap_avvp.media.decode import Clip
    from leap_avvp.timeline.many import Parsed, TrainedParsing, ZeroShotParsing

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "parse"
ABOUT = "show what is heard and seen in videos: a table, a page with the video above its timeline, and files"
EXAMPLE = """\
leap-avvp parse clip.mp4
leap-avvp parse clip.mp4 --classes 'Dog,Speech,Rain,sports car' --out parsed
leap-avvp parse new-clips/ --checkpoint outputs/train/RUN
leap-avvp parse archive/ --out parsed --engine ray --address HOST:6379"""

_ABOUT_MODELS = """\
Without --checkpoint nothing is trained: YAMNet hears and EfficientNet-Lite0 sees (`leap-avvp weights get yamnet`,
`... get efficientnet_lite0`). That is zero-shot, not LEAP; its thresholds are not tuned, and what the image model
cannot name is "not judged". With --checkpoint the features that the model was trained on are extracted, and it says
what it was trained to say; videos of more than its segments are parsed in windows that overlap.
With --engine many are parsed at once, without tables; what is whole in DIR stays."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the videos, the model and the outputs."""
    parser.epilog = f"{parser.epilog}\n\n{_ABOUT_MODELS}"
    parser.add_argument(
        "videos", nargs="+", type=Path, metavar="VIDEO", help="files, folders, or a CSV of names (see `extract`)"
    )
    parser.add_argument("--videos-from", type=Path, metavar="DIR", help="where the files of a CSV lie")
    parser.add_argument(
        "--checkpoint", metavar="CKPT", help="a checkpoint, a run's folder, an exported folder or hub:NAME"
    )
    parser.add_argument(
        "--classes",
        metavar="FILE|A,B",
        help="zero-shot: names separated by commas, or a file with one a line (default: LLP's 25)",
    )
    parser.add_argument(
        "--names",
        type=Path,
        metavar="FILE",
        help="zero-shot: YAML of which AudioSet and ImageNet names stand for a class",
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="zero-shot: of a segment (default: 1)")
    parser.add_argument("--out", type=Path, default=Path("parsed"), metavar="DIR", help="folder (default: parsed)")
    parser.add_argument("--embed", action="store_true", help="put the video into the page, in place of a link to it")
    parser.add_argument("--device", default="auto", metavar="NAME", help="cpu, cuda or auto (default)")
    add_engine(parser, None)


def run(arguments: argparse.Namespace) -> int:
    """Parse the videos, print tables and write the outputs; return 0, or 1 if a video could not be read.

    Raises:
        LeapError: an option that cannot be, weights that are missing, or nothing to parse.
    """
    clips = _clips(arguments.videos, arguments.videos_from)
    folders = _folders(clips, arguments.out)
    parsing = _trained(arguments) if arguments.checkpoint else _zero_shot(arguments)
    if arguments.engine is None:
        return _one_by_one(clips, folders, parsing, arguments)
    from leap_avvp.timeline.many import parse_many

    many = {"embed": arguments.embed, "jobs": arguments.jobs, "engine": engine_of(arguments)}
    done = parse_many(clips, folders, arguments.out, parsing, **many)
    print("\n".join(_told(done)))
    return 1 if done.run.failures else 0


def _one_by_one(
    clips: Sequence[Clip],
    folders: Sequence[Path],
    parsing: TrainedParsing | ZeroShotParsing,
    arguments: argparse.Namespace,
) -> int:
    """Parse videos in this process, and show each; return 1 where one of several could not be read.

    Raises:
        LeapError: of a single video, that it could not be read.
    """
    from rich.console import Console

    from leap_avvp.timeline import write_outputs
    from leap_avvp.timeline.table import TimelineTable

    engine_of(arguments)  # its options without it are refused
    parse = parsing()
    console, failed = Console(), []
    for clip, folder in zip(clips, folders, strict=True):
        try:
            timeline = parse(clip)
            paths = write_outputs(timeline, folder, embed=arguments.embed)
        except DataError as error:
            if len(clips) == 1:
                raise
            failed.append(str(error))
            console.print(f"{clip.name}: not parsed: {error}", style="red", markup=False, highlight=False)
            continue
        console.print(TimelineTable(timeline))
        console.print(f"page: {paths['page']}", markup=False, highlight=False, soft_wrap=True)
        others = ", ".join(path.name for name, path in paths.items() if name != "page")
        console.print(f"also in {folder}: {others}", markup=False, highlight=False, soft_wrap=True)
    if failed:
        console.print(f"{len(failed)} of {len(clips)} videos were not parsed", markup=False, highlight=False)
    return 1 if failed else 0


def _told(done: Parsed) -> list[str]:
    from leap_avvp.media.failures import failure_table
    from leap_avvp.timeline.many import FAILED

    run = done.run
    lines = [f"{done.folder}: {done.there + run.made:,} of {done.videos:,} videos are parsed, a folder each"]
    lines += run.told("parsed")
    if done.there:
        lines.append(f"were there: {done.there:,}")
    if run.failures:
        lines += ["", failure_table(run.failures, done.folder / FAILED)]
    return lines


def _clips(videos: Sequence[Path], folder: Path | None) -> list[Clip]:
    from leap_avvp.media.clips import read_clips

    return [clip for video in videos for clip in read_clips(video, folder)]


def _folders(clips: Sequence[Clip], out: Path) -> list[Path]:
    """Return a folder a clip; those of one name get numbers."""
    names = [clip.name or clip.path.stem for clip in clips]
    seen: dict[str, int] = {}
    folders = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        folders.append(out / (name if seen[name] == 1 else f"{name} ({seen[name]})"))
    return folders


def _zero_shot(arguments: argparse.Namespace) -> ZeroShotParsing:
    from leap_avvp.card import LLP
    from leap_avvp.media.names import names_for
    from leap_avvp.timeline.many import ZeroShotParsing

    seconds = 1.0 if arguments.seconds is None else arguments.seconds
    if not 0.1 <= seconds <= 3600:
        raise ConfigError(f"--seconds: expected a number from 0.1 to 3600, found {seconds:g}")
    classes = LLP.classes if arguments.classes is None else _classes(arguments.classes)
    display = LLP.display if arguments.classes is None else None
    names = names_for(classes, arguments.names)
    return ZeroShotParsing(names, None if display is None else tuple(display), seconds, arguments.device)


def _classes(text: str) -> list[str]:
    """Return the classes of a list in words, or in a file: a text with one a line, or a data card."""
    path = Path(text)
    if path.is_file() and path.suffix in (".yaml", ".yml"):
        from leap_avvp.card.read import read_card

        return list(read_card(path).classes)
    if path.is_file():
        try:
            listed = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: expected a class a line, cannot read it ({error})") from error
    else:
        listed = text.split(",")
    classes = list(dict.fromkeys(name.strip() for name in listed if name.strip()))
    if not classes:
        raise ConfigError(f"--classes: expected names separated by commas, or a file with one a line, found {text!r}")
    return classes


def _trained(arguments: argparse.Namespace) -> TrainedParsing:
    from leap_avvp.timeline.many import TrainedParsing

    for option in ("classes", "names", "seconds"):
        if getattr(arguments, option) is not None:
            raise ConfigError(f"--{option}: the checkpoint brings its own; leave it out")
    if arguments.engine is None:
        return TrainedParsing(arguments.checkpoint, arguments.device)
    return TrainedParsing.of(arguments.checkpoint, arguments.device)

"""``leap-avvp extract``: videos into the features that models read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from leap_avvp.cli.arguments import add_features, count
from leap_avvp.cli.work import add_work, device_of, engine_of

if TYPE_CHECKING:
    from leap_avvp.media.extraction import Extraction, Job

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "extract"
ABOUT = "turn videos into features: a file a video and stream, as training reads them"
EXAMPLE = """\
leap-avvp extract clips/ --features embedded --out mine
leap-avvp extract AVVP_train.csv --videos-from videos/ --features llp --out LLP --jobs 8
leap-avvp extract clips.csv --card dataset.yaml --out mine --device cuda
leap-avvp extract clips/ --features embedded --out mine --engine ray --address HOST:6379
leap-avvp extract clips/ --features embedded --out mine --engine slurm --jobs 50 --slurm partition=cpu time=4:00:00"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the videos, what is made of them and where it goes."""
    parser.add_argument(
        "videos", nargs="+", type=Path, metavar="VIDEOS",
        help="files, folders of files, or lists of names (.csv with a column filename, and maybe onset and offset)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="data folder; what is whole there stays")
    parser.add_argument("--videos-from", type=Path, metavar="FOLDER", help="where the files of a list lie (beside it)")
    add_features(parser, "the card's")
    parser.add_argument(
        "--card", type=Path, metavar="FILE",
        help="data card: features, segments, names of files; copied into DIR (default: dataset.yaml in DIR, if any)",
    )  # fmt: skip
    parser.add_argument("--segments", type=count, metavar="T", help="segments of a video (default: the card's, or 10)")
    parser.add_argument("--seconds", type=float, metavar="S", help="of a segment (default: the card's, or 1)")
    parser.add_argument(
        "--silence", action="store_true", help="give videos without sound the features of silence, and note it"
    )
    add_work(parser)
    parser.add_argument("--overwrite", action="store_true", help="make files again that are there")


def run(arguments: argparse.Namespace) -> int:
    """Extract, and say what was made; return 0, or 1 where a video failed.

    Raises:
        ConfigError: options that do not fit, or a folder of other features.
        DataError: videos, a card or weights that are not there.
        Stopped: a signal asked to end.
    """
    from leap_avvp.media.asked import job_of
    from leap_avvp.media.extraction import all_clips, extract

    job = job_of(
        arguments.out,
        features=arguments.features,
        card=arguments.card,
        segments=arguments.segments,
        seconds=arguments.seconds,
        device=device_of(arguments),
        silence=arguments.silence,
        jobs=arguments.jobs,
        overwrite=arguments.overwrite,
        engine=engine_of(arguments),
    )
    listing = all_clips(arguments.videos, arguments.videos_from)
    done = extract(listing, arguments.out, job)
    print("\n".join(_told(done, job)))
    return 1 if done.failures else 0


def _told(done: Extraction, job: Job) -> list[str]:
    from leap_avvp.media.extraction import FAILED
    from leap_avvp.media.failures import failure_table

    extractor, run = job.extractor, done.run
    what = f"{job.features.name}, {extractor.segments} segments of {extractor.seconds:g} s"
    lines = [f"{done.folder}: {done.there + run.made:,} of {done.videos:,} videos have all features ({what})"]
    lines += run.told("made")
    if done.there:
        lines.append(f"were there: {done.there:,}")
    meanings = {"cut": "longer, cut", "shorter": "shorter", "silence": "without sound, silence in its place"}
    for kind, meaning in meanings.items():
        number = sum(kind in notes for notes in done.notes.values())
        if number:
            lines.append(f"{meaning}: {number:,} (extracted.json names them)")
    if done.failures:
        lines += ["", failure_table(done.failures, done.folder / FAILED)]
    return lines

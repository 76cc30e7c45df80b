"""``leap-avvp label``: weak labels into labels of segments, by a teacher that looks at the videos."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from leap_avvp.cli.work import add_work, device_of, engine_of

if TYPE_CHECKING:
    from leap_avvp.card import DataCard
    from leap_avvp.media.labelling import LabelJob, Labelling, Video

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "label"
ABOUT = "label the segments of videos that have weak labels: what is heard and seen when, as a teacher says"
EXAMPLE = """\
leap-avvp label mine --labels mine/annotations/train.csv --teacher embedded --out mine/labels
leap-avvp label LLP --labels AVVP_train.csv --videos videos/ --teacher valor --soft --out LLP/labels"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the videos, their weak labels, the teacher and where the labels go."""
    parser.add_argument("data", type=Path, metavar="DIR", help="a data folder with features, or a folder of videos")
    parser.add_argument(
        "--labels", type=Path, required=True, metavar="CSV", help="weak labels: columns filename and event_labels"
    )
    parser.add_argument(
        "--teacher",
        required=True,
        metavar="NAME",
        help="embedded, valor, or a YAML file (docs/extract.md)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="OUT", help="gets audio/ and visual/, for data.pseudo_labels=OUT"
    )
    parser.add_argument("--videos", type=Path, metavar="FOLDER", help="judge the videos there, not features in DIR")
    parser.add_argument("--soft", action="store_true", help="labels from 0 to 1 in place of 0 and 1")
    parser.add_argument(
        "--unjudged",
        choices=("none", "weak"),
        default="none",
        help="of a class that the teacher cannot hear (see) at all: nothing, unless it is seen (heard) nowhere (none, "
        "default); or the weak label in every segment (weak)",
    )
    parser.add_argument(
        "--card",
        type=Path,
        metavar="FILE",
        help="data card (default: dataset.yaml in DIR, in OUT or in the folder that OUT is in, else LLP's)",
    )
    add_work(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace labels of another teacher or other options")


def run(arguments: argparse.Namespace) -> int:
    """Label, and say what was found; return 0, or 1 where a video failed.

    Raises:
        ConfigError: options or a teacher that do not fit, or a folder of other labels.
        DataError: annotations, features, videos or weights that are not there.
        Stopped: a signal asked to end.
    """
    from leap_avvp.card.dataset import CARD_FILE
    from leap_avvp.card.read import card_of
    from leap_avvp.data.annotations.rows import read_weak_rows
    from leap_avvp.errors import DataError
    from leap_avvp.media.judges import Scorer
    from leap_avvp.media.labelling import LabelJob, label, source_of
    from leap_avvp.media.teachers import read_teacher

    places = (arguments.data, arguments.out, arguments.out.absolute().parent)
    root = next((place for place in places if (place / CARD_FILE).is_file()), None)
    card = card_of(root, arguments.card)
    if not arguments.labels.exists() and not arguments.labels.is_symlink():
        raise DataError(f"{arguments.labels}: expected a file of weak labels, found none")
    try:
        weak = {row.name: row.events for row in read_weak_rows(arguments.labels, card=card)}
    except DataError as error:
        if root is not None or arguments.card is not None:
            raise
        raise DataError(
            f"{error}; found no data card, so it was read as LLP's: `leap-avvp data card --from {arguments.labels}` "
            "writes one of other classes"
        ) from error
    teacher = read_teacher(arguments.teacher, card)
    origins = None if arguments.videos is not None else source_of(arguments.data, teacher)
    scorer = Scorer(
        teacher,
        card.segments,
        card.seconds,
        device_of(arguments),
        None if origins is None else arguments.data,
        origins or {modality: sense.features[0] for modality, sense in teacher.senses.items()},
    )
    job = LabelJob(
        scorer,
        card,
        arguments.soft,
        arguments.unjudged,
        arguments.jobs,
        arguments.overwrite,
        engine_of(arguments),
    )
    videos, missing = _videos(arguments, card, weak, job)
    done = label(videos, missing, arguments.out, job)
    print("\n".join(_told(done, job)))
    return 1 if done.failures else 0


def _videos(
    arguments: argparse.Namespace, card: DataCard, weak: Mapping[str, tuple[int, ...]], job: LabelJob
) -> tuple[list[Video], dict[str, str]]:
    """Return the videos with weak labels, and why there is none of other names."""
    import numpy as np

    from leap_avvp.media.clips import find_clips
    from leap_avvp.media.labelling import Video

    flags = {name: np.isin(np.arange(card.num_classes), events) for name, events in weak.items()}
    if job.scorer.root is not None:
        return [Video(name, card.video_id(name), flags[name]) for name in weak], {}
    listing = find_clips(arguments.labels, arguments.videos or arguments.data)
    found = {clip.name: clip for clip in listing.clips}
    missing = {name: listing.missing.get(name, "no file") for name in weak if name not in found}
    return [Video(name, card.video_id(name), flags[name], found[name]) for name in weak if name in found], missing


def _told(done: Labelling, job: LabelJob) -> list[str]:
    from leap_avvp.media.failures import failure_table
    from leap_avvp.media.labelling import FAILED

    run, teacher = done.run, job.scorer.teacher
    of = "videos" if job.scorer.root is None else "features"
    lines = [f"{done.folder}: labels of {done.labelled:,} of {done.videos:,} videos by teacher {teacher.name}, of {of}"]
    lines += run.told("judged")
    if done.labelled:
        heard, seen = (f"{100 * done.shares[modality]:.0f} %" for modality in ("audio", "visual"))
        lines.append(f"of the segments of the events in the weak labels, {heard} are heard and {seen} seen")
    for modality, how in (("audio", "ear"), ("visual", "eye")):
        names = done.unjudged[modality]
        if names:
            lines.append(f"not judged by {how} (--unjudged {job.unjudged}): {', '.join(names)}")
    if done.failures:
        lines += ["", failure_table(done.failures, done.folder / FAILED)]
    return lines

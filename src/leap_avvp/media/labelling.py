"""``leap-avvp label``: a folder of segment labels of videos, as ``data.pseudo_labels=FOLDER`` reads it.

First the teacher's scores of each video, kept in ``scores/``; then thresholds, which may need the scores of all videos;
then the labels. T segments, C classes.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import DataCard, named_features
from leap_avvp.errors import DataError
from leap_avvp.files import folder_lock
from leap_avvp.files.interrupts import Stopped, StopSignals
from leap_avvp.media.arrays import clear_parts, is_whole, read_whole, write_array
from leap_avvp.media.decode import Clip
from leap_avvp.media.engines import Engine
from leap_avvp.media.extracted import NOTES, Notebook, Record, versions, weight_hashes
from leap_avvp.media.failures import Failure, write_failures
from leap_avvp.media.judges import Scored, Scorer
from leap_avvp.media.pseudo import check_enough, segment_labels, thresholds_of
from leap_avvp.media.runs import ALL, Run, clear_files, work_on
from leap_avvp.media.teachers import MODALITIES, Teacher

__all__ = ["FAILED", "RECORD", "SCORES", "LabelJob", "Labelling", "Video", "label", "source_of"]

FAILED = "label-failed.csv"
RECORD = "labelled.json"
SCORES = "scores"
"""Folder below the labels with the teacher's scores: other thresholds need no other look at the videos."""


@dataclasses.dataclass(frozen=True)
class Video:
    """A video with a weak label."""

    name: str
    """As the annotation file has it."""
    id: str
    """What names its files."""
    weak: NDArray[np.bool_]
    """(C,)."""
    clip: Clip | None = None
    """None where its features are judged."""


@dataclasses.dataclass(frozen=True)
class LabelJob:
    """Who judges, and what becomes of it."""

    scorer: Scorer
    card: DataCard
    soft: bool = False
    unjudged: str = "none"
    """See :func:`~leap_avvp.media.pseudo.segment_labels`."""
    jobs: int | None = None
    overwrite: bool = False
    """Whether labels of other options, and scores that were made in another way, are replaced."""
    engine: Engine | None = None
    """Where videos are judged; None: in processes of this machine."""


@dataclasses.dataclass
class Labelling:
    """What has been done."""

    folder: Path
    videos: int
    """That have weak labels."""
    labelled: int = 0
    run: Run = dataclasses.field(default_factory=Run)
    """Over those without scores."""
    shares: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """By modality: the mean label in the segments of the events that weak labels name."""
    unjudged: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    """By modality: classes that the teacher cannot judge."""
    failures: list[Failure] = dataclasses.field(default_factory=list)


def source_of(root: Path, teacher: Teacher) -> dict[str, str] | None:
    """Return by modality the feature set whose files in a data folder the teacher can judge; None where there are none.

    Raises:
        DataError: those of one modality alone.
    """
    found, looked = {}, {}
    for modality, sense in teacher.senses.items():
        folders = {name: named_features(name).folders[sense.stream] for name in sense.features}
        there = [name for name, folder in folders.items() if (root / folder).is_dir()]
        looked[modality] = " or ".join(folders.values())
        if there:
            found[modality] = there[0]
    for modality, where in looked.items():
        if found and modality not in found:
            sets = " or ".join(teacher.senses[modality].features)
            raise DataError(
                f"{root}: {modality}: teacher {teacher.name} judges {where}, found no such folder; `leap-avvp extract "
                f"--features {sets}` makes it, or give the videos themselves (--videos FOLDER)"
            )
    return found or None


def label(videos: Sequence[Video], missing: Mapping[str, str], out: Path, job: LabelJob) -> Labelling:
    """Write ``out/audio/<id>.npy`` and ``out/visual/<id>.npy``, (T, C), of each video, and ``labelled.json``.

    Scores that are whole, and not older than what they are of, are left alone: the same call again goes on where one
    was ended. A video that cannot be judged costs that video; all of these are in ``label-failed.csv``.

    Args:
        videos: with ids of their own.
        missing: by name, why there is nothing to judge of others.
        out: the folder.
        job: what is to be done.

    Raises:
        ConfigError: the folder holds other labels; a threshold is missing that too few videos can give.
        DataError: weights are missing; a file that cannot be read or written.
        LeapError: another process writes there.
        Stopped: a signal asked to end.
    """
    if videos:
        check_enough(job.scorer.teacher, np.array([video.weak for video in videos]), job.card.classes)
    with folder_lock(out), StopSignals().taken():
        both = (out, out / SCORES)
        clear_parts(*both, *(folder / modality for folder in both for modality in MODALITIES))
        done = Labelling(out, len(videos) + len(missing))
        done.unjudged = {
            modality: [name for name, known in zip(job.card.classes, sense.judged, strict=True) if not known]
            for modality, sense in job.scorer.teacher.senses.items()
        }
        done.failures = [Failure(name, ALL, why) for name, why in missing.items()]
        try:
            scored = _score(videos, out / SCORES, job, done)
            done.failures += done.run.failures
            write_failures(out / FAILED, done.failures)
            if scored:
                _write(scored, out, job, done)
        except Stopped as stopped:
            where = f"scores of {done.run.made:,} more videos are in {out / SCORES}; the same command goes on"
            raise Stopped(stopped.signum, where) from None
    return done


def _score(videos: Sequence[Video], folder: Path, job: LabelJob, done: Labelling) -> list[Video]:
    """Judge the videos without scores; return all that have some."""
    folders = [folder / modality for modality in MODALITIES]
    record = Record.read(folder / f"{SCORES}.json")
    notebook = Notebook(folder / NOTES, record.notes())
    wanted = [video for video in videos if not _is_scored(video, folder, job)]
    made = _made_with(job, bool(wanted))
    difference = record.difference(made)
    if job.overwrite and difference is not None:
        clear_files(folders, [video.id for video in videos], difference)
        notebook.forget(video.id for video in videos)
        wanted, made = list(videos), _made_with(job, True)
    else:
        record.check(made)
    if wanted:
        record.take(made)
        record.write()

    def take(index: int, found: Scored) -> tuple[float, list[Failure]]:
        video = wanted[index]
        if found.notes:
            notebook.add(video.id, found.notes)
        for modality, scores in found.scores.items():
            write_array(folder / modality / f"{video.id}.npy", scores)
        return found.seconds, []

    items = [video.id if video.clip is None else video.clip for video in wanted]
    names = [video.name for video in wanted]
    jobs = job.jobs or (
        None if job.scorer.root is None else 1
    )  # of features networks take longer to load than to judge
    work_on("label", job.scorer, items, names, take, done.run, jobs, job.scorer.device, job.engine)
    if record.content:
        record.finish(notebook.notes)
    notebook.close()
    lost = {failure.filename for failure in done.run.failures}
    return [video for video in videos if video.name not in lost]


def _is_scored(video: Video, folder: Path, job: LabelJob) -> bool:
    """Say whether a video's scores are whole, and not older than its file or its features."""
    shape = (job.card.segments, job.card.num_classes)
    for modality in MODALITIES:
        path = folder / modality / f"{video.id}.npy"
        source = job.scorer.path(modality, video.id) if video.clip is None else video.clip.path
        with contextlib.suppress(OSError):
            if is_whole(path, shape) and path.stat().st_mtime_ns >= source.stat().st_mtime_ns:
                continue
        return False
    return True


def _made_with(job: LabelJob, hashed: bool) -> dict[str, Any]:
    """Return what the record of the scores says; of the weights only if something is to be judged with them.

    Raises:
        DataError: weights are missing.
    """
    scorer = job.scorer
    streams: dict[str, Any] = {}
    for modality, recipe in scorer.recipes.items():
        asked = scorer.teacher.to_dict(job.card.classes)[modality]
        streams[modality] = {"features": scorer.origins[modality], "asks": asked}
        if hashed:
            streams[modality]["weights"] = {recipe.weights: weight_hashes(recipe.weights)}
            streams[modality]["rule"] = recipe.about
    return {
        "segments": scorer.segments,
        "seconds": scorer.seconds,
        "ids": job.card.ids,
        "of": "videos" if scorer.root is None else "features",
        "classes": list(job.card.classes),
        "streams": streams,
        "versions": [versions()],
    }


def _write(videos: Sequence[Video], out: Path, job: LabelJob, done: Labelling) -> None:
    """Write the labels of videos that have scores, and what they are.

    Raises:
        ConfigError: labels of other options are there; a threshold is missing.
    """
    shape, teacher = (job.card.segments, job.card.num_classes), job.scorer.teacher
    every: dict[str, list[NDArray[np.float32]]] = {modality: [] for modality in MODALITIES}
    for video in videos:
        for modality, listed in every.items():
            path = out / SCORES / modality / f"{video.id}.npy"
            found = read_whole(path, shape)
            if found is None:
                raise DataError(f"{path}: it was written a moment ago, and cannot be read; start again")
            listed.append(found)
    weak = np.array([video.weak for video in videos])
    thresholds, origins = thresholds_of(teacher, every, weak, job.card.classes)
    made = _options(job, thresholds, origins)
    record = Record.read(out / RECORD)
    difference = record.difference(made)
    folders = [out / modality for modality in MODALITIES]
    if job.overwrite and difference is not None:
        clear_files(folders, [video.id for video in videos], difference)
    else:
        record.check(made)
    record.path.unlink(missing_ok=True)  # while it is not there, the labels need not be of one kind
    sums = {modality: np.zeros(job.card.num_classes) for modality in MODALITIES}
    for place, video in enumerate(videos):
        labels = segment_labels(
            {modality: listed[place] for modality, listed in every.items()},
            thresholds,
            video.weak,
            teacher.senses,
            soft=job.soft,
            temperature=teacher.temperature,
            unjudged=job.unjudged,
        )
        for modality, array in labels.items():
            path = out / modality / f"{video.id}.npy"
            there = read_whole(path, shape, array.dtype.str)
            if there is None or not np.array_equal(there, array):
                write_array(path, array)
            sums[modality] += array.sum(axis=0)
    counts = weak.sum(axis=0)
    record.content = {}
    record.take(made)
    for modality, sum_ in sums.items():
        parts = zip(job.card.classes, sum_, counts, strict=True)
        record.content["streams"][modality]["share"] = {
            name: round(float(one) / (shape[0] * int(count)), 4) for name, one, count in parts if count
        }
    record.finish({})
    done.labelled = len(videos)
    cells = max(1, int(counts.sum()) * shape[0])
    done.shares = {modality: float(sum_.sum()) / cells for modality, sum_ in sums.items()}


def _options(
    job: LabelJob, thresholds: Mapping[str, NDArray[np.float64]], origins: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Return what the labels depend on besides the scores."""
    teacher, classes = job.scorer.teacher, job.card.classes
    streams = {
        modality: {
            "thresholds": {name: float(values[classes.index(name)]) for name in origins[modality]},
            "from": dict(origins[modality]),
            "not judged": [
                name for name, known in zip(classes, teacher.senses[modality].judged, strict=True) if not known
            ],
        }
        for modality, values in thresholds.items()
    }
    return {
        "teacher": teacher.name,
        "segments": job.card.segments,
        "seconds": job.card.seconds,
        "ids": job.card.ids,
        "classes": list(classes),
        "labels": f"soft, sigmoid((score - threshold) / {teacher.temperature:g})" if job.soft else "score > threshold",
        "unjudged": job.unjudged,
        "streams": streams,
        "versions": [versions()],
    }

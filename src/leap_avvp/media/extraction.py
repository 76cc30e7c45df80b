"""``leap-avvp extract``: a folder of features out of videos, file by whole file, that a killed run leaves usable."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leap_avvp.card import FeatureSet
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.files import folder_lock
from leap_avvp.files.interrupts import Stopped, StopSignals
from leap_avvp.media.arrays import clear_parts, is_whole, write_array
from leap_avvp.media.cards import bring_card
from leap_avvp.media.clips import LISTS, Listing, find_clips
from leap_avvp.media.decode import Clip
from leap_avvp.media.engines import Engine
from leap_avvp.media.extracted import NOTES, Notebook, Record, versions, weight_hashes
from leap_avvp.media.extractor import LONGER, SHORTER, Extractor, Made, Request
from leap_avvp.media.extras import need
from leap_avvp.media.failures import Failure, write_failures
from leap_avvp.media.runs import ALL, Run, clear_files, work_on

__all__ = ["FAILED", "RECORD", "Extraction", "Job", "all_clips", "extract", "ids_of"]

FAILED = "extract-failed.csv"
RECORD = "extracted.json"
_LLP_NAME = re.compile(r"[A-Za-z0-9_-]{11}(_[0-9]+(\.[0-9]+)?_[0-9]+(\.[0-9]+)?)?")


@dataclasses.dataclass(frozen=True)
class Job:
    """What is to be made of the clips, and how."""

    features: FeatureSet
    extractor: Extractor
    ids: str | None = None
    """What names a file: ``filename`` or ``llp``; None: see :func:`ids_of`."""
    card: Path | None = None
    """A data card that is copied into the folder, where there is none."""
    jobs: int | None = None
    """Processes; None: as many as :func:`~leap_avvp.media.pool.auto_jobs` says."""
    overwrite: bool = False
    """Whether files that are there are made again."""
    engine: Engine | None = None
    """Where they are made; None: in processes of this machine."""


@dataclasses.dataclass
class Extraction:
    """What has been done."""

    folder: Path
    videos: int
    """That were asked for."""
    ids: str
    there: int = 0
    """Videos of which all files were there already."""
    run: Run = dataclasses.field(default_factory=Run)
    """Over the others."""
    notes: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    """Of this folder's videos, by id."""
    failures: list[Failure] = dataclasses.field(default_factory=list)
    """In the order of the videos."""


def all_clips(sources: Sequence[Path], folder: Path | None = None) -> Listing:
    """Return the clips that several files, folders and lists name: see :func:`~leap_avvp.media.clips.find_clips`.

    Args:
        sources: of them.
        folder: in which the files of lists lie; None: beside each.

    Raises:
        ConfigError: a folder, but no list.
        DataError: as there; a name twice.
    """
    if folder is not None and not any(source.suffix.lower() in LISTS and not source.is_dir() for source in sources):
        raise ConfigError(f"--videos-from: expected a list ({', '.join(LISTS)}) of names among the videos, found none")
    clips: dict[str, Clip] = {}
    missing: dict[str, str] = {}
    for source in sources:
        if not source.exists() and not source.is_symlink():
            raise DataError(f"{source}: expected a video, a folder of videos or a list of names, found none")
        listing = find_clips(source, folder)
        for clip in listing.clips:
            other = clips.setdefault(clip.name, clip)
            if other is not clip:
                raise DataError(f"{clip.name}: expected each name once, found {other.path} and {clip.path}")
        missing |= listing.missing
    return Listing(tuple(clips.values()), {name: why for name, why in missing.items() if name not in clips})


def ids_of(names: Sequence[str], extractor: Extractor) -> str:
    """Return what names files where no card says it: LLP's 11 characters if all names, and the segments, are LLP's."""
    lengths = (extractor.segments, extractor.seconds) == (10, 1.0)
    return "llp" if lengths and all(_LLP_NAME.fullmatch(name) for name in names) else "filename"


def extract(listing: Listing, out: Path, job: Job) -> Extraction:
    """Write ``out/<folder of the stream>/<id>.npy`` of each clip and stream, and what they are into ``extracted.json``.

    Files that are whole are left alone, so the same call again goes on where one was ended. A clip that cannot be read,
    or ends its process, costs that clip; all of these are in ``extract-failed.csv``.

    Raises:
        ConfigError: the folder holds features that were made in another way, or a package is not installed.
        DataError: weights are missing; two clips of one id; a file that cannot be written.
        LeapError: another process writes there.
        Stopped: a signal asked to end.
    """
    names = [clip.name for clip in listing.clips]
    with folder_lock(out), StopSignals().taken():
        folders = job.features.folders
        clear_parts(out, *(out / folder for folder in folders.values()))
        record = Record.read(out / RECORD)
        ids = job.ids or record.ids or ids_of(names, job.extractor)
        by_id = _by_id(names, ids)
        done = Extraction(out, len(names) + len(listing.missing), ids)
        notebook = Notebook(out / NOTES, record.notes())
        requests = _requests(listing.clips, list(by_id), out, job)
        if requests:
            made = _made_with(job, ids, {stream for request in requests for stream in request.streams})
            if not job.overwrite:
                record.check(made)
            else:
                clear_files([out / folder for folder in folders.values()], list(by_id), record.difference(made))
                notebook.forget(by_id)
            if job.card is not None:
                bring_card(out, job.card)
            record.take(made)
            record.write()
        done.there = len(names) - len(requests)
        done.failures = [Failure(name, ALL, why) for name, why in listing.missing.items()]
        try:
            _run(requests, {name: video for video, name in by_id.items()}, out, job, notebook, done.run)
        except Stopped as stopped:
            where = (
                f"{done.there + done.run.made:,} of {done.videos:,} videos are whole in {out}; the same command goes on"
            )
            raise Stopped(stopped.signum, where) from None
        done.failures += done.run.failures
        if record.content:
            record.finish(notebook.notes)
        notebook.close()
        write_failures(out / FAILED, done.failures)
        done.notes = {video: notebook.notes[video] for video in by_id if video in notebook.notes}
    return done


def _by_id(names: Sequence[str], ids: str) -> dict[str, str]:
    """Return names by id.

    Raises:
        DataError: two of one id, or a name that is not LLP's.
    """
    found: dict[str, str] = {}
    for name in names:
        if ids == "llp" and not _LLP_NAME.fullmatch(name):
            raise DataError(
                f"{name[:80]}: expected a name of LLP's form, 11 characters and maybe _START_END, as the folder's "
                "files are named by these 11; use another --out, or a card with `ids: filename`"
            )
        video = name[:11] if ids == "llp" else name
        other = found.setdefault(video, name)
        if other != name:
            raise DataError(f"{other} and {name}: expected videos with ids of their own, both are {video}")
    return found


def _requests(clips: Sequence[Clip], videos: Sequence[str], out: Path, job: Job) -> list[Request]:
    """Return what is to be made: the streams of each clip whose files are not whole."""
    found = []
    for clip, video in zip(clips, videos, strict=True):
        wanted = tuple(
            stream
            for stream, folder in job.features.folders.items()
            if job.overwrite or not is_whole(out / folder / f"{video}.npy", job.extractor.shape(stream))
        )
        if wanted:
            found.append(Request(clip, wanted))
    return found


def _made_with(job: Job, ids: str, streams: set[str]) -> dict[str, Any]:
    """Return what the record says of files that are made now.

    Raises:
        ConfigError: a package is not installed.
        DataError: weights are missing.
    """
    need("av", "media")
    need("soxr", "media")
    extractor = job.extractor
    made: dict[str, Any] = {}
    for stream, recipe in extractor.recipes.items():
        if stream in streams:
            made[job.features.folders[stream]] = {
                "stream": stream,
                "shape": list(extractor.shape(stream)),
                "weights": {recipe.weights: weight_hashes(recipe.weights)},
                "rule": recipe.about,
            }
    whole = extractor.segments * extractor.seconds
    return {
        "segments": extractor.segments,
        "seconds": extractor.seconds,
        "ids": ids,
        "rules": [
            f"a clip more than {LONGER:g} s longer than {whole:g} s is cut there (`cut`: its seconds)",
            f"of one more than {SHORTER:g} s shorter (`shorter`: its seconds) pictures are stretched and sound is "
            "filled up with zeros, as the set's authors do; `embedded` never stretches: zeros behind its end",
            "`silence`: a clip without sound, of which the features are those of so many seconds of zeros",
        ],
        "streams": made,
        "versions": [versions()],
    }


def _run(
    requests: Sequence[Request], ids: Mapping[str, str], out: Path, job: Job, notebook: Notebook, run: Run
) -> None:
    """Make what is asked for, and write it as it comes."""
    wanted = {stream for request in requests for stream in request.streams}
    origins = {stream: origin for stream, origin in job.extractor.origins.items() if stream in wanted}
    extractor = dataclasses.replace(job.extractor, origins=origins)
    names = [request.clip.name for request in requests]

    def take(index: int, made: Made) -> tuple[float, list[Failure]]:
        name = names[index]
        if made.notes:
            notebook.add(ids[name], made.notes)
        for stream, rows in made.rows.items():
            write_array(out / job.features.folders[stream] / f"{ids[name]}.npy", rows)
        return made.seconds, [Failure(name, stream, why) for stream, why in made.lacking.items()]

    work_on("extract", extractor, requests, names, take, run, job.jobs, extractor.device, job.engine)

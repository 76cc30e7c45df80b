"""Several files or runs, several protocols, two versions of the annotations: all their numbers, and the differences."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.files.npz import open_npz
from leap_avvp.metrics import EXCLUSIVE_NAMES, SCORE_NAMES
from leap_avvp.scoring.bootstrap import Difference, paired_bootstrap
from leap_avvp.scoring.per_video import PER_VIDEO_FILE, read_per_video
from leap_avvp.scoring.predictions import Scored, ScoreResult, Way, score_file
from leap_avvp.scoring.record import METRICS_FILE, read_record
from leap_avvp.scoring.report import ScoreRow, difference_table, scores_table
from leap_avvp.scoring.truth import Truth

__all__ = ["Compared", "ScoreReport", "difference_of", "differences_of", "is_scored_run", "score_all"]

_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Compared:
    """The first file beside another one, read in the same way."""

    first: Scored
    second: Scored
    differences: Mapping[str, Difference]
    """By metric: first minus second."""


@dataclasses.dataclass(frozen=True)
class ScoreReport:
    """All that was asked for at once."""

    scored: Sequence[Scored]
    """A file after the other, and of each a way after the other, in each version of the annotations."""
    compared: Sequence[Compared] = ()
    """The first file beside every other one."""

    @property
    def files(self) -> list[str]:
        """The files or runs, in their order."""
        return list(dict.fromkeys(each.result.predictions for each in self.scored))

    def by_version(self) -> Iterator[tuple[Scored, Scored, dict[str, float]]]:
        """Yield pairs of one file, read in one way, against two versions of the annotations, and first minus second."""
        for first in self.scored:
            for second in self.scored:
                same = (first.result.predictions, first.way) == (second.result.predictions, second.way)
                if same and first.version and second.version and first is not second and first.version == "old":
                    yield first, second, difference_of(first.result.scores, second.result.scores)

    def tables(self) -> list[Table]:
        """Return the numbers for the terminal."""
        if len(self.scored) == 1:
            return [self.scored[0].result.table()]
        letters = self._letters()
        rows = [ScoreRow(self._label(each), each.result.scores) for each in self.scored]
        rows += [
            ScoreRow(f"{self._label(first)} - {second.version}", scores, True)
            for first, second, scores in self.by_version()
        ]
        result = self.scored[0].result
        lines = [f"{letter}: {name}" for name, letter in letters.items()]
        for each in self.scored:
            line = f"protocol{f' ({each.way})' if each.way else ''}: {each.result.protocol}"
            lines += [line] if line not in lines else []
        versions = "" if self.scored[0].version else result.version
        tables = [scores_table(rows, result.title, "\n".join(lines) + versions)]
        for found in self.compared:
            way = ", ".join(part for part in (found.first.way, found.first.version) if part)
            pair = f"{letters[found.first.result.predictions]} - {letters[found.second.result.predictions]}"
            tables.append(difference_table(f"{pair}{f' ({way})' if way else ''}", found.differences))
        return tables

    def _letters(self) -> dict[str, str]:
        files = self.files
        if len(files) == 1:
            return {}
        return dict(zip(files, [*string.ascii_uppercase, *map(str, range(len(files)))], strict=False))

    def _label(self, scored: Scored) -> str:
        letter = self._letters().get(scored.result.predictions)
        several = len({each.way for each in self.scored}) > 1
        return ", ".join(part for part in (letter, scored.way if several else "", scored.version) if part)

    def to_dict(self) -> dict[str, object]:
        """Return plain content: of one number set what a single result is, else all of them and their differences."""
        if len(self.scored) == 1:
            return self.scored[0].result.to_dict()
        return {
            "format": "leap-avvp/scores/1",
            "results": [
                {**each.result.to_dict(), "way": each.way, "annotation_version": each.version} for each in self.scored
            ],
            "annotation_differences": [
                {
                    "predictions": first.result.predictions,
                    "way": first.way,
                    "first": first.version,
                    "second": second.version,
                    "scores": scores,
                }
                for first, second, scores in self.by_version()
            ],
            "differences": [
                {
                    "first": found.first.result.predictions,
                    "second": found.second.result.predictions,
                    "way": found.first.way,
                    "annotation_version": found.first.version,
                    "metrics": {
                        name: {**dataclasses.asdict(each), "word": each.word}
                        for name, each in found.differences.items()
                    },
                }
                for found in self.compared
            ],
        }


def score_all(
    predictions: Sequence[Path],
    truth: Truth | None,
    ways: Sequence[Way] = (Way(""),),
    versions: Sequence[str | None] = (None,),
    allow_missing: bool = False,
) -> ScoreReport:
    """Score files of predictions, and take finished runs as they were scored.

    Args:
        predictions: files as :func:`~leap_avvp.scoring.predictions.score_predictions` takes them, folders of runs, or
            their ``per_video_test.npz``.
        truth: the annotations; None where runs alone are named.
        ways: how files are read.
        versions: of LLP's audio annotations.
        allow_missing: score the videos that are there.

    Raises:
        ConfigError: a file without annotations, or a run that is to be scored in a way or version of its own.
        DataError: naming the file, what was expected and what was found.
    """
    scored: list[Scored] = []
    seen: set[Path] = set()
    for path in predictions:
        if path.absolute() in seen:
            raise ConfigError(f"--predictions: expected different files, found {path} twice")
        seen.add(path.absolute())
        if is_scored_run(path):
            if len(ways) > 1 or ways[0].label or any(versions):
                raise ConfigError(
                    f"{path}: holds scores, under the protocol and annotations of its run; to choose others give its "
                    "predictions_test.npz, or probabilities of `leap-avvp predict`"
                )
            scored.append(_run(path))
        elif truth is None:
            raise ConfigError(f"--annotations: expected the folder of the CSV files, which {path} is scored against")
        else:
            scored += [each for way in ways for each in score_file(path, truth, way, versions, allow_missing)]
    return ScoreReport(scored, _compared(scored))


def _compared(scored: Sequence[Scored]) -> list[Compared]:
    by_file: dict[str, list[Scored]] = {}
    for each in scored:
        by_file.setdefault(each.result.predictions, []).append(each)
    ours, *others = by_file.values()
    return [
        Compared(first, second, differences_of(first, second))
        for theirs in others
        for first, second in zip(ours, theirs, strict=True)
    ]


def is_scored_run(path: Path) -> bool:
    """Say whether a path is the folder of a run, or its file of the scores of each video."""
    if path.is_dir():
        return True
    if path.suffix != ".npz" or not path.is_file():
        return False
    with open_npz(path) as archive:
        return {"metric", "score"} <= archive.names


def _run(path: Path) -> Scored:
    """Return what a run was scored as."""
    file = path / PER_VIDEO_FILE if path.is_dir() else path
    videos = read_per_video(file)
    names = [name for name in (*SCORE_NAMES, "average", *EXCLUSIVE_NAMES) if name in (*videos.scores, "average")]
    if not set(SCORE_NAMES) <= set(videos.scores):
        raise DataError(f"{file}: expected the ten scores of each video, found {', '.join(videos.scores)[:200]}")
    protocol, source = "not known", "not known"
    if (file.parent / METRICS_FILE).is_file():
        record = read_record(file.parent / METRICS_FILE)
        protocol, source = str(record.protocol.get("name")), record.data_source
    number = len(videos.video_ids)
    result = ScoreResult(
        scores={name: float(videos.values(name).mean()) for name in names},
        protocol=protocol,
        split="test",
        videos=number,
        expected=number,
        audio_annotations=None,
        data_source=source,
        predictions=str(path),
    )
    return Scored(result, videos)


def difference_of(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """Return ``first - second`` of the scores that both have."""
    return {name: first[name] - second[name] for name in first if name in second}


def differences_of(first: Scored, second: Scored) -> dict[str, Difference]:
    """Return the differences of the metrics that both have, each with its interval, of the same videos.

    Raises:
        DataError: other videos.
    """
    ours, theirs = first.videos, second.videos
    place = {name: row for row, name in enumerate(theirs.video_ids)}
    only = [
        f"only in {scored.result.predictions} are {_first(names)}"
        for scored, names in (
            (first, [name for name in ours.video_ids if name not in place]),
            (second, sorted(place.keys() - set(ours.video_ids))),
        )
        if names
    ]
    if only:
        raise DataError(f"--predictions: expected the same videos in all files, found others: {'; '.join(only)}")
    metrics = [name for name in first.result.scores if name in second.result.scores]
    order = [place[name] for name in ours.video_ids]
    tables = (
        np.stack([ours.values(name) for name in metrics], axis=1),
        np.stack([theirs.values(name)[order] for name in metrics], axis=1),
    )
    return dict(zip(metrics, paired_bootstrap(*tables), strict=True))


def _first(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _SHOWN else ""
    return f"{len(names):,}: {', '.join(names[:_SHOWN])}{more}"

"""A folder in LLP's real layout: every file read once, checked, and kept in memory with its frames pooled."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from leap_avvp.data.annotations import Dirt, SplitAnnotations, find_annotations, read_annotations
from leap_avvp.data.feature_files import FileProblem, read_features, read_pseudo_labels
from leap_avvp.data.folder_report import FolderReport, SplitReport
from leap_avvp.data.simulate.export import MARKER
from leap_avvp.data.split import SplitData
from leap_avvp.errors import ConfigError, DataError, check_choice
from leap_avvp.llp import (
    FEATURE_FOLDERS,
    FEATURE_SHAPES,
    NUM_CLASSES,
    NUM_SEGMENTS,
    PSEUDO_LABEL_FOLDERS,
    SPLITS,
    video_id,
)

__all__ = ["PSEUDO_LABELS", "LLPFolder"]

PSEUDO_LABELS = ("valor", "none")
_THREADS = min(8, os.cpu_count() or 1)


@dataclasses.dataclass
class _Loaded:
    """One split's arrays, with what was wrong."""

    report: SplitReport
    kept: NDArray[np.bool_]
    """(N,) videos without a problem."""
    arrays: dict[str, NDArray[np.float32]]


class LLPFolder:
    """The real LLP (Tian et al., ECCV 2020), as a :class:`~leap_avvp.data.split.DataSource`.

    Args:
        root: holds ``feats/vggish``, ``feats/res152``, ``feats/r2plus1d_18`` and, for VALOR's pseudo labels, ``CLAP/`` and
            ``CLIP/segment_pseudo_labels``.
        annotations: folder of the CSV files, where it is not ``root/annotations``, ``root/data`` or ``root``.
        pseudo_labels: ``valor``, or ``none`` to train on the weak labels alone.
        allow_missing: leave videos out whose files are missing, and say so, instead of stopping. Damaged files stop in
            any case.

    Raises:
        DataError: no such folder, or no annotation files.
        ConfigError: an unknown option.
    """

    name: str
    """``llp``, or ``simulated`` for a folder that ``leap-avvp data simulate`` wrote: its numbers must not pass as LLP's."""

    def __init__(
        self, root: Path, annotations: Path | None = None, pseudo_labels: str = "valor", allow_missing: bool = False
    ) -> None:
        self.root = Path(root)
        self.name = "simulated" if (self.root / MARKER).exists() else "llp"
        self.pseudo_labels = check_choice("data.pseudo_labels", pseudo_labels, PSEUDO_LABELS)
        if not isinstance(allow_missing, bool):
            raise ConfigError(f"data.allow_missing: expected true or false, found {allow_missing!r}")
        self.allow_missing = allow_missing
        self.annotation_folder = find_annotations(self.root, annotations)
        self._annotations: dict[str, SplitAnnotations] | None = None
        self._dirt = Dirt()
        self._reports: dict[str, SplitReport] = {}

    def _split(self, split: str) -> SplitAnnotations:
        if self._annotations is None:
            self._annotations, self._dirt = read_annotations(self.annotation_folder)
        return self._annotations[check_choice("split", split, SPLITS)]

    def describe(self) -> dict[str, object]:
        """Return root, options and what the checks of the loaded splits found."""
        report = FolderReport(str(self.root), self._dirt, list(self._reports.values()))
        return {
            "root": str(self.root.resolve()),
            "annotations": str(self.annotation_folder.resolve()),
            "pseudo_labels": self.pseudo_labels,
            "allow_missing": self.allow_missing,
            **report.to_dict(),
        }

    def check(self, splits: Sequence[str] = SPLITS) -> FolderReport:
        """Read and check every file of ``splits``; nothing is kept.

        Raises:
            DataError: annotation files that cannot be used at all.
        """
        reports = [self._read(self._split(split), keep=False).report for split in splits]
        return FolderReport(str(self.root), self._dirt, reports)

    def load(self, split: str) -> SplitData:
        """Read, check and return one split.

        Raises:
            DataError: missing files (unless they are allowed) or damaged ones: how many, and the first five.
        """
        annotations = self._split(split)
        loaded = self._read(annotations, keep=True)
        report = self._reports[split] = loaded.report
        problems = FolderReport(str(self.root), self._dirt, [report]).problems()
        if report.damaged or (report.missing and not self.allow_missing):
            allow = "" if report.damaged else "; data.allow_missing=true goes on without those videos"
            raise DataError(f"{self.root}: {split}: {'; '.join(problems)}{allow}")
        if not loaded.kept.any():
            raise DataError(f"{self.root}: {split}: not one of {report.videos} videos has all its files")
        self._say(report, problems)
        return self._assemble(annotations, loaded)

    def _say(self, report: SplitReport, problems: Sequence[str]) -> None:
        if not self._said_dirt():
            for line in self._dirt.lines():
                print(f"annotations: {line}")
        if problems:
            print(f"{report.split}: going on with {report.complete} of {report.videos} videos; {'; '.join(problems)}")
        if report.unmasked:
            print(f"{report.split}: {report.unmasked} pseudo labels name an event outside the video's weak label")

    def _said_dirt(self) -> bool:
        return len(self._reports) > 1  # told once, with the first split

    def _assemble(self, annotations: SplitAnnotations, loaded: _Loaded) -> SplitData:
        kept = loaded.kept
        whole = bool(kept.all())
        arrays = loaded.arrays if whole else {name: array[kept] for name, array in loaded.arrays.items()}
        label = annotations.weak[kept].astype(np.float32)
        if annotations.split == "train" and self.pseudo_labels == "none":
            # As VALOR's baseline does: heard for sure, probably seen.
            arrays["video_audio"], arrays["video_visual"] = label, 0.9 * label + np.float32(0.05)
            for modality in ("audio", "visual"):
                arrays[f"segment_{modality}"] = np.repeat(arrays[f"video_{modality}"][:, None], NUM_SEGMENTS, axis=1)
        names = [name for name, keep in zip(annotations.filenames, kept, strict=True) if keep]
        truth = {
            f"target_{modality}": grid[kept]
            for modality in ("audio", "visual")
            if (grid := getattr(annotations, modality)) is not None
        }
        return SplitData(annotations.split, names, video_label=label, **arrays, **truth)

    def _wanted(self, split: str) -> dict[str, tuple[Path, tuple[int, int]]]:
        """Return, by array name, the folder and the shape of its files."""
        wanted = {name: (self.root / folder, FEATURE_SHAPES[name]) for name, folder in FEATURE_FOLDERS.items()}
        if split == "train" and self.pseudo_labels == "valor":
            for modality, folder in PSEUDO_LABEL_FOLDERS.items():
                wanted[f"segment_{modality}"] = (self.root / folder, (NUM_SEGMENTS, NUM_CLASSES))
        for name, (folder, _) in wanted.items():
            if folder.is_dir():
                continue
            labels = "; these are VALOR's released pseudo labels, data.pseudo_labels=none trains without them"
            raise DataError(f"{folder}: no such folder{labels if name.startswith('segment') else ''}")
        return wanted

    def _read(self, annotations: SplitAnnotations, keep: bool) -> _Loaded:
        wanted = self._wanted(annotations.split)
        number = len(annotations.filenames)
        arrays = {
            name: np.empty((number if keep else 1, NUM_SEGMENTS, shape[1]), dtype=np.float32)
            for name, (_, shape) in wanted.items()
        }

        def read(index: int) -> tuple[list[FileProblem], int]:
            problems, outside = [], 0
            for name, (folder, shape) in wanted.items():
                path = folder / f"{video_id(annotations.filenames[index])}.npy"
                try:
                    if name.startswith("segment"):
                        values = read_pseudo_labels(path, self.root)
                        outside += int(values[:, ~annotations.weak[index]].sum())
                    else:
                        values = read_features(path, self.root, shape)
                except FileProblem as problem:
                    problems.append(problem)
                else:
                    if keep:
                        arrays[name][index] = values
            return problems, outside

        report = SplitReport(annotations.split, number)
        kept = np.ones(number, dtype=np.bool_)
        with ThreadPoolExecutor(_THREADS) as pool:  # reading releases the interpreter's lock
            results = track(pool.map(read, range(number)), f"checking {annotations.split}", number, transient=True)
            for index, (problems, outside) in enumerate(results):
                report.unmasked += outside
                for problem in problems:
                    (report.missing if problem.missing else report.damaged).append(str(problem))
                kept[index] = not problems
                if any(problem.missing for problem in problems):
                    report.incomplete.append(video_id(annotations.filenames[index]))
        return _Loaded(report, kept, arrays)

"""A folder in LLP's real layout: every file read once, checked, and kept in memory with its frames pooled."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from leap_avvp.card import LLP, DataCard
from leap_avvp.data.annotations import Dirt, SplitAnnotations, find_annotations, read_annotations
from leap_avvp.data.folder.feature_files import BadFileError
from leap_avvp.data.folder.report import FolderReport, SplitReport
from leap_avvp.data.folder.video_files import Video, VideoFiles, read_many
from leap_avvp.data.simulate.export import MARKER
from leap_avvp.data.split import SplitData
from leap_avvp.data.targets import check_kind, given_targets, read_targets
from leap_avvp.errors import ConfigError, DataError, check_choice
from leap_avvp.llp import PSEUDO_LABEL_FOLDERS

__all__ = ["LLPFolder"]


@dataclasses.dataclass
class _Loaded:
    """One split's arrays, with what was wrong."""

    report: SplitReport
    kept: NDArray[np.bool_]
    """(N,) videos without a problem."""
    arrays: dict[str, NDArray[np.float32]]
    """(N, T, F) or (N, T, C) by name; rows of videos that are not kept hold anything."""


class LLPFolder:
    """LLP (Tian et al., ECCV 2020), or data of one's own, as a :class:`~leap_avvp.data.split.DataSource`.

    Args:
        root: holds the folders of the card's features, of LLP ``feats/vggish``, ``feats/res152``, ``feats/r2plus1d_18``
            and, for VALOR's pseudo labels, ``CLAP/segment_pseudo_labels`` and ``CLIP/segment_pseudo_labels``.
        annotations: folder of the CSV files, where it is not ``root/annotations``, ``root/data`` or ``root``.
        pseudo_labels: one of :data:`~leap_avvp.data.targets.KINDS`, or a folder or file of labels.
        allow_missing: leave videos out whose files are missing, or of a clip that was cut short, and say so, instead
            of stopping. Damaged files stop in any case.
        link_store: a trusted folder that links of single files may lead into, as those of the Hugging Face hub, DVC and
            git-annex do; ``/`` for any. Without it such links must stay in the data folder.
        card: classes, segments and features; LLP's by default.

    Raises:
        DataError: no such folder, or no annotation files.
        ConfigError: an unknown option.
    """

    name: str
    """That of the card, or ``simulated`` for what ``leap-avvp data simulate`` wrote: no number of it is real."""

    def __init__(
        self,
        root: str | Path,
        annotations: str | Path | None = None,
        pseudo_labels: str = "valor",
        allow_missing: bool = False,
        link_store: str | Path | None = None,
        card: DataCard = LLP,
    ) -> None:
        self.root, self.card = Path(root), card
        if not self.root.is_dir():
            raise DataError(f"{self.root}: no such folder; data.root is the one that holds feats/ and annotations/")
        self.name = "simulated" if (self.root / MARKER).exists() else card.name
        self.pseudo_labels = check_kind(pseudo_labels)
        if not isinstance(allow_missing, bool):
            raise ConfigError(f"data.allow_missing: expected true or false, found {allow_missing!r}")
        self.allow_missing = allow_missing
        if link_store is not None and not Path(link_store).is_dir():
            raise DataError(f"data.link_store: expected the folder that links lead into, found no folder {link_store}")
        self.link_store = None if link_store is None else Path(link_store).resolve()
        self.annotation_folder = find_annotations(self.root, annotations, card)
        self._annotations: dict[str, SplitAnnotations] | None = None
        self._dirt = Dirt()
        self._reports: dict[str, SplitReport] = {}

    def describe(self) -> dict[str, object]:
        """Return root, options and what the checks of the loaded splits found."""
        return {
            "root": str(self.root.resolve()),
            "annotations": str(self.annotation_folder.resolve()),
            **self.card.describe(),
            "pseudo_labels": self.pseudo_labels,
            "allow_missing": self.allow_missing,
            **({} if self.link_store is None else {"link_store": str(self.link_store)}),
            **self._report(self._reports.values()).to_dict(),
        }

    def check(self, splits: Sequence[str] | None = None) -> FolderReport:
        """Read and check every file of ``splits``, None for all of the card; no array is kept.

        Raises:
            DataError: annotation files that cannot be used at all, or whole folders that are not there.
        """
        reports = [self._read(self.split(split), keep=False).report for split in splits or self.card.weak]
        return self._report(reports)

    def load(self, split: str) -> SplitData:
        """Read, check and return one split; the whole of LLP takes 1.3 GB of memory.

        Raises:
            DataError: missing files (unless they are allowed) or damaged ones: how many, and the first five.
        """
        annotations = self.split(split)
        loaded = self._read(annotations, keep=True)
        report = loaded.report
        problems = self._report([report]).problems()
        if report.damaged or (report.missing and not self.allow_missing):
            allow = "" if report.damaged else "; data.allow_missing=true goes on without those videos"
            raise DataError(f"{self.root}: {split}: {'; '.join(problems)}{allow}")
        if not loaded.kept.any():
            raise DataError(
                f"{self.root}: {split}: not one of {report.videos} videos has all its files; {'; '.join(problems)}"
            )
        self._say(report, problems)
        self._reports[split] = report
        return self._assemble(annotations, loaded)

    @property
    def dirt(self) -> Dirt:
        """What is known to be wrong in the annotation files, once they are read."""
        return self._dirt

    def has_pseudo_labels(self) -> bool:
        """Say whether the folders of VALOR's pseudo labels are there."""
        return all((self.root / folder).is_dir() for folder in PSEUDO_LABEL_FOLDERS.values())

    def split(self, split: str) -> SplitAnnotations:
        """Return the annotations of a split."""
        if self._annotations is None:
            folder = self.annotation_folder
            self._annotations, dirt = read_annotations(folder, link_store=self.link_store, card=self.card)
            self._dirt = dataclasses.replace(dirt, simulated=self.name == "simulated")
        return self._annotations[check_choice("split", split, self._annotations)]

    def _report(self, splits: Iterable[SplitReport]) -> FolderReport:
        return FolderReport(str(self.root), self._dirt, list(splits))

    def _say(self, report: SplitReport, problems: Sequence[str]) -> None:
        if not self._reports:  # told once, with the first split
            for line in self._dirt.lines():
                print(f"annotations: {line}")
        if problems:
            print(f"{report.split}: going on with {report.complete} of {report.videos} videos; {'; '.join(problems)}")
        for note in report.notes:
            print(f"{report.split}: {note}")
        if report.unmasked:
            print(f"{report.split}: {report.unmasked} pseudo labels name an event outside the video's weak label")

    def _assemble(self, annotations: SplitAnnotations, loaded: _Loaded) -> SplitData:
        kept = loaded.kept
        arrays = loaded.arrays
        if not kept.all():
            arrays = {name: array[kept] for name, array in arrays.items()}
        return SplitData(
            split=annotations.split,
            filenames=[name for name, keep in zip(annotations.filenames, kept, strict=True) if keep],
            audio=arrays["audio"],
            video_2d=arrays["video_2d"],
            video_3d=arrays.get("video_3d"),
            video_label=annotations.weak[kept].astype(np.float32),
            segment_audio=arrays.get("segment_audio"),
            segment_visual=arrays.get("segment_visual"),
            video_audio=arrays.get("video_audio"),
            video_visual=arrays.get("video_visual"),
            target_audio=None if annotations.audio is None else annotations.audio[kept],
            target_visual=None if annotations.visual is None else annotations.visual[kept],
        )

    def _read(self, annotations: SplitAnnotations, keep: bool) -> _Loaded:
        """Read every file of a split once, in threads; ``keep`` its arrays or only the report."""
        training = annotations.split == "train"
        given = given_targets(self.pseudo_labels, annotations) if training else {}
        with_features = given is None and self.pseudo_labels == "valor"
        files = VideoFiles(self.root, annotations, with_features, self.link_store)
        # Their own files, or one file for all videos, are read at once.
        own = None
        if given is None and not with_features:
            own = read_targets(self.pseudo_labels, self.root, annotations, self.link_store, read_many)
        arrays = {
            name: np.empty((len(files) if keep else 0, *shape), dtype=np.float32)
            for name, shape in files.shapes.items()
        }

        def read(index: int) -> Video:
            video = files.read(index)
            if keep:
                for name, values in video.arrays.items():
                    arrays[name][index] = values
            return dataclasses.replace(video, arrays={})

        report = SplitReport(annotations.split, len(files), notes=files.notes() if own is None else list(own.notes))
        further: dict[int, list[BadFileError]] = {}
        for index, problem in [] if own is None else own.problems:
            further.setdefault(index, []).append(problem)
        kept = np.ones(len(files), dtype=np.bool_)
        console = Console(stderr=True)
        for index, video in enumerate(
            track(
                read_many(read, range(len(files))),
                f"reading {annotations.split}",
                total=len(files),
                console=console,
                transient=True,
                disable=not console.is_terminal,
            )
        ):
            problems = [*video.problems, *further.get(index, [])]
            kept[index] = not problems
            report.add(files.video_ids[index], problems, video.outside)
        report.unmasked += 0 if own is None else own.outside
        return _Loaded(report, kept, {**arrays, **(given or {}), **(own.arrays if own else {})})

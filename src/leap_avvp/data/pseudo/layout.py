"""Where label files lie, by the way their makers lay them out."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from leap_avvp.errors import ConfigError, DataError, nearest
from leap_avvp.llp import PSEUDO_LABEL_FOLDERS

__all__ = ["KINDS", "LabelLayout", "label_layout"]

KINDS = ("valor", "uwav", "lsld")
"""Layouts that have a name; their files lie in the data folder. Any other kind is a folder or file of one's own."""
_MODALITIES = ("audio", "visual")
_FOLDERS: dict[str, Mapping[str, str]] = {
    "folder": {modality: modality for modality in _MODALITIES},
    "valor": PSEUDO_LABEL_FOLDERS,
    "uwav": {modality: f"{modality[0]}_segmentwise_logits" for modality in _MODALITIES},
}
_BELOW = {"uwav": ("LLP_Dataset", "")}
_THRESHOLDS = ("{}_classwise_threhsolds.npy", "{}_classwise_thresholds.npy")  # the first as the program spells it
_LSLD_FOLDERS = ("", "labels", "refine_label")
_LSLD_FILES = ("final_label.npz", "denoised_label.npz")
_WANTED = {
    "folder": "audio/ID.npy and visual/ID.npy",
    "valor": " and ".join(f"{folder}/ID.npy" for folder in PSEUDO_LABEL_FOLDERS.values()),
    "uwav": (
        "a_segmentwise_logits/ID.npy, v_segmentwise_logits/ID.npy, a_classwise_threhsolds.npy and "
        "v_classwise_threhsolds.npy, also in LLP_Dataset/"
    ),
    "lsld": "final_label.npz or denoised_label.npz, also in labels/ or refine_label/",
}
_MAKERS = {
    "valor": "the segment pseudo labels that VALOR released (Lai et al., NeurIPS 2023)",
    "uwav": "the segment logits and thresholds that UWAV's program writes (Lai et al., CVPR 2025)",
    "lsld": "the segment labels that LSLD released (Fan et al., NeurIPS 2023)",
}


@dataclasses.dataclass(frozen=True)
class LabelLayout:
    """Where the labels of a training split lie."""

    form: str
    """``valor``, ``uwav``, ``lsld``, or ``folder`` for ``audio/ID.npy`` and ``visual/ID.npy`` of one's own."""
    base: Path
    """The folder that links of single files must stay in."""
    files: Mapping[str, Path]
    """By modality: the folder of its ``ID.npy`` files, or the ``.npz`` that holds all of them."""
    thresholds: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    """By modality: the file of UWAV's thresholds."""

    def name(self, path: Path) -> str:
        """Return a path as notes show it: below :attr:`base`, but whole where that says little."""
        return str(path) if self.form == "folder" else path.relative_to(self.base).as_posix()

    def describe(self) -> str:
        """Return form and places in a line."""
        places = dict.fromkeys(map(self.name, (*self.files.values(), *self.thresholds.values())))
        return f"{self.form}: {', '.join(places)} in {self.base}"


def label_layout(kind: str | Path, root: str | Path) -> LabelLayout:
    """Find label files.

    Args:
        kind: one of :data:`KINDS`, or a folder or ``.npz`` file of one's own, in any of the layouts.
        root: the data folder, in which the named kinds lie.

    Raises:
        DataError: the files are not there: which were looked for, and which of them are missing.
        ConfigError: neither a kind nor something that is there.
    """
    root = Path(root)
    if kind in KINDS:
        return _named(str(kind), root)
    path = Path(kind)
    if path.suffix == ".npz" and path.is_file():
        return LabelLayout("lsld", path.parent, dict.fromkeys(_MODALITIES, path))
    if not path.is_dir():
        if path.exists() or path.is_symlink():
            raise DataError(f"{path}: expected a folder of labels, or LSLD's .npz, found another file")
        if isinstance(kind, Path) or os.sep in kind:
            raise DataError(f"{path}: no such folder of labels (data.pseudo_labels)")
        near = nearest(kind, KINDS, limit=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"data.pseudo_labels: expected one of {', '.join(KINDS)}, or a folder or .npz of labels, found "
            f"{kind[:80]!r}{hint}"
        )
    for form in _WANTED:
        found = _lsld(path) if form == "lsld" else _folders(form, path)
        if found is not None:
            return found
    raise DataError(f"{path}: no labels in a known layout; looked for {'; '.join(_WANTED.values())}{_half(path)}")


def _named(kind: str, root: Path) -> LabelLayout:
    found = _lsld(root) if kind == "lsld" else _folders(kind, root)
    if found is not None:
        return found
    looked = _absent(kind, root)
    advice = "; data.pseudo_labels=none trains without them"
    if any(path.with_name(f"{path.name}.dvc").is_file() for path in looked):
        advice += "; `dvc pull` fetches what DVC tracks"
    what = "file" if kind == "lsld" else "folder"
    names = (" or " if kind == "lsld" else ", ").join(map(str, looked))
    also = "" if kind == "valor" else f": {_WANTED[kind]}"
    raise DataError(f"{root}: no such {what}: {names}; expected {_MAKERS[kind]} there{also}{advice}")


def _folders(form: str, root: Path) -> LabelLayout | None:
    for below in _BELOW.get(form, ("",)):
        place = root / below
        files = {modality: place / folder for modality, folder in _FOLDERS[form].items()}
        if all(folder.is_dir() for folder in files.values()):
            return LabelLayout(form, root, files, _thresholds(place) if form == "uwav" else {})
    return None


def _thresholds(place: Path) -> dict[str, Path]:
    """Return the files of thresholds; the first spelling where neither is there: reading it says so."""
    found = {}
    for modality in _MODALITIES:
        paths = [place / spelling.format(modality[0]) for spelling in _THRESHOLDS]
        # A dead link is there, and reading it tells how to fetch it.
        found[modality] = next((path for path in paths if path.exists() or path.is_symlink()), paths[0])
    return found


def _lsld(root: Path) -> LabelLayout | None:
    for name in _LSLD_FILES:  # the final labels first, as LSLD trains on them
        for below in _LSLD_FOLDERS:
            path = root / below / name
            if path.exists() or path.is_symlink():
                return LabelLayout("lsld", root, dict.fromkeys(_MODALITIES, path))
    return None


def _absent(form: str, root: Path) -> list[Path]:
    """Return what is not there of a layout, in the place where most of it is."""
    if form == "lsld":
        return [root / name for name in _LSLD_FILES]
    tries = [
        [root / below / folder for folder in _FOLDERS[form].values() if not (root / below / folder).is_dir()]
        for below in reversed(_BELOW.get(form, ("",)))
    ]
    return min(tries, key=len)


def _half(root: Path) -> str:
    """Tell of a layout of which one half is there."""
    for form in _FOLDERS:
        absent = _absent(form, root)
        if len(absent) == 1:
            return f"; found one half of {_WANTED[form]}, but no {absent[0].relative_to(root).as_posix()}/"
    return ""

"""LSLD's label files: ``np.savez(path, label_a=dict, label_v=dict)``, each dict of tensors (T, C) by video id."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from leap_avvp.data.folder.feature_files import BadFileError
from leap_avvp.data.pseudo.tensors import StoredTensor, read_tensor_dict
from leap_avvp.data.pseudo.unpickle import RefusedError
from leap_avvp.errors import DataError
from leap_avvp.files.links import absence, link_refusal, pointer
from leap_avvp.files.npz import read_npy_header

__all__ = ["StoredLabels"]

_MEMBERS = {"audio": "label_a", "visual": "label_v"}
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy writes
_LEAST_BOUND = 2**28
_TENSOR_BYTES = 1_024  # what a pickle says of a tensor beside its numbers; half of that in truth


class StoredLabels:
    """The labels of one modality. Nothing that the file names is called, whatever it holds.

    Args:
        path: the ``.npz``.
        root: the folder that a link must stay in.
        modality: ``audio`` or ``visual``.
        shape: (T, C).
        videos: N, of the training split: the file may be twice as large as their labels, or 256 MiB.
        link_store: a trusted folder that a link may lead into, too.

    Raises:
        DataError: missing, damaged, too large, or holding anything but tensors by video id.
    """

    def __init__(
        self,
        path: Path,
        root: Path,
        modality: str,
        shape: tuple[int, int],
        videos: int,
        link_store: Path | None = None,
    ) -> None:
        self.path, self.member, self.shape = path, _MEMBERS[modality], shape
        most = max(_LEAST_BOUND, 2 * videos * (8 * shape[0] * shape[1] + _TENSOR_BYTES))
        _check_file(path, root, link_store)
        self._tensors = _read(path, self.member, most)

    def others(self, ids: Sequence[str]) -> int:
        """Return the number of labels of other videos."""
        return len(self._tensors.keys() - set(ids))

    def read(self, identity: str) -> NDArray[np.float32]:
        """Return the labels (T, C) of a video, from 0 to 1.

        Raises:
            BadFileError: of another shape, or other numbers. Missing, too: not in the file, or of fewer segments.
        """
        tensor = self._tensors.get(identity)
        where = f"{self.member}: {identity}"
        if tensor is None:
            raise BadFileError(self.path, f"{where}: missing", missing=True)
        if tensor.shape != self.shape:
            short = len(tensor.shape) == 2 and tensor.shape[0] < self.shape[0] and tensor.shape[1] == self.shape[1]
            why = ": a clip that was cut short" if short else ""
            raise BadFileError(
                self.path, f"{where}: expected shape {self.shape}, found {str(tensor.shape)[:80]}{why}", missing=short
            )
        values = tensor.array()
        inside = (values >= 0) & (values <= 1)
        if not inside.all():
            raise BadFileError(self.path, f"{where}: expected numbers from 0 to 1, found {values[~inside][0]:g}")
        return values.astype(np.float32)


def _check_file(path: Path, root: Path, link_store: Path | None) -> None:
    try:
        gone = absence(path)
        folders = (path.parent, root) if link_store is None else (link_store, path.parent, root)
        refusal = gone or (link_refusal(path, folders) if path.is_symlink() else None)
        if refusal is None and not stat.S_ISREG(path.stat().st_mode):  # opening a named pipe would wait forever
            refusal = "expected a file, found a folder or a device"
        refusal = refusal or pointer(path)
    except (OSError, RuntimeError) as error:  # a loop of links
        raise DataError(f"{path}: expected a file, found a link that leads nowhere") from error
    if refusal:
        raise DataError(f"{path}: {refusal}")


def _read(path: Path, member: str, most: int) -> dict[str, StoredTensor]:
    where = f"{path}: {member}"
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            if member not in names:
                raise DataError(
                    f"{path}: expected the arrays label_a and label_v, found {', '.join(names)[:80] or '-'}"
                )
            info = archive.getinfo(f"{member}.npy")
            if info.compress_type not in _PACKED:
                raise RefusedError("it is packed in a way that numpy never writes")
            if info.file_size > most:
                raise DataError(f"{where}: expected at most {most:,} bytes, found {info.file_size:,}")
            with archive.open(info) as packed:
                # Unpacked as it is read: of a bomb, no more than its first wrong byte.
                return _tensors(io.BufferedReader(cast(io.RawIOBase, packed), 2**16))
    except DataError:
        raise
    except RefusedError as error:
        raise DataError(f"{where}: expected a dict of tensors by video id, found {error}") from error
    except Exception as error:  # a damaged archive raises what zlib and zipfile please
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200] or type(error).__name__
        raise DataError(f"{where}: expected a dict of tensors by video id, cannot read it ({reason})") from error


def _tensors(file: io.BufferedReader) -> dict[str, StoredTensor]:
    header = read_npy_header(file)
    if not header.dtype.hasobject or header.shape != ():
        raise RefusedError(f"an array of {header.dtype}, shape {header.shape}")
    file.seek(header.data_offset)
    return read_tensor_dict(file)

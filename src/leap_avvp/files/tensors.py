"""Files of ``torch.save`` of unknown origin: plain tensors and containers are taken, and nothing is executed."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leap_avvp.errors import DataError

__all__ = ["read_tensors"]

# A checkpoint with its optimizer's state has some thousands. Containers may hold one another a billionfold.
_MOST_ITEMS = 200_000


def read_tensors(path: Path) -> Any:
    """Return what ``torch.save`` wrote: tensors on the CPU in dicts, lists and tuples, with numbers and strings.

    Raises:
        DataError: damaged, packed (``torch.save`` never packs), holding objects, or holding a tensor that is not dense
            or claims more numbers than the file has.
    """
    try:
        _check_unpacked_size(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old formats; what is wrong becomes an error
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises whatever its last instruction does
        raise DataError(f"{path}: expected a file of plain tensors, cannot read it ({_reason(error)})") from error
    _check(content, path)
    return content


def _check_unpacked_size(path: Path) -> None:
    if not zipfile.is_zipfile(path):  # torch's older format, which is not packed
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    claimed, held = sum(member.file_size for member in members), path.stat().st_size
    if claimed > held or any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError(f"its members unpack to {claimed:,} bytes, the file has {held:,}")


def _check(content: Any, path: Path) -> None:
    waiting, seen = [content], 0
    while waiting:
        node = waiting.pop()
        seen += 1
        if seen > _MOST_ITEMS:
            raise DataError(
                f"{path}: expected a checkpoint, found more than {_MOST_ITEMS:,} items that hold one another"
            )
        if isinstance(node, dict):
            waiting += [*node.keys(), *node.values()]
        elif isinstance(node, list | tuple | set | frozenset):
            waiting += node
        elif isinstance(node, Tensor):
            _check_tensor(node, path)


def _check_tensor(tensor: Tensor, path: Path) -> None:
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized or tensor.is_nested:
        found = f"{tensor.layout}, {tensor.device}, {tensor.dtype}"
        raise DataError(
            f"{path}: expected dense tensors, found one of another kind ({found}); save it with .to_dense()"
        )
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        shape = str(tuple(tensor.shape))[:80]
        raise DataError(
            f"{path}: expected tensors that hold all their numbers, found shape {shape} of fewer; .clone() it"
        )


def _reason(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError):  # torch's own text advises to load it all the same
        return "it is damaged, or holds objects, which are not loaded"
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__

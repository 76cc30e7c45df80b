"""One ``.npy`` file of somebody else's drive: read, checked, brought to float32. Nothing in it is executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.llp import FRAMES_PER_SEGMENT, NUM_CLASSES, NUM_SEGMENTS

__all__ = ["FileProblem", "pool_seconds", "read_array", "read_features", "read_pseudo_labels"]


class FileProblem(Exception):
    """What is wrong with one file; the folder's check collects these. ``missing`` files may be left out on request."""

    def __init__(self, path: Path, text: str, missing: bool = False) -> None:
        super().__init__(f"{path}: {text}")
        self.path, self.missing = path, missing


def read_array(path: Path, root: Path) -> NDArray[Any]:
    """Return the array of a ``.npy`` file, numeric or boolean, as it is stored.

    Args:
        path: the file.
        root: the data folder; a link of a single file that leads out of it is refused (the folder itself, or a feature
            folder, may well be a link to another drive).

    Raises:
        FileProblem: missing, unreadable, truncated, holding objects, or a link that leads elsewhere.
    """
    if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
        inside = path.resolve().is_relative_to(root.resolve())
        if not inside:
            raise FileProblem(path, f"a link that leads out of the data folder, to {path.resolve()}")
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise FileProblem(path, "missing", missing=True) from None
    except (OSError, ValueError, EOFError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FileProblem(path, f"expected a whole .npy file of numbers, cannot read it ({reason})") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise FileProblem(path, f"expected numbers, found {found}")
    return array


def pool_seconds(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of each second's 8 frames: (8 T, F) -> (T, F)."""
    pooled: NDArray[np.float32] = frames.reshape(-1, FRAMES_PER_SEGMENT, frames.shape[1]).mean(axis=1)
    return pooled


def read_features(path: Path, root: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return features (10, F) in float32, frames averaged over each second.

    Args:
        path: the file; any float width, byte and memory order.
        root: see :func:`read_array`.
        shape: of the file: (10, F), or (80, F), for which an already averaged (10, F) is taken too.

    Raises:
        FileProblem: as :func:`read_array`; another shape; NaN or Inf.
    """
    array = read_array(path, root)
    if array.dtype.kind != "f":
        raise FileProblem(path, f"expected floating-point numbers, found {array.dtype}")
    if array.shape not in (shape, (NUM_SEGMENTS, shape[1])):
        raise FileProblem(path, f"expected shape {shape}, found {array.shape}")
    with np.errstate(over="ignore"):  # too large for float32 becomes Inf, which is refused below
        values = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(values).all():
        raise FileProblem(path, f"expected finite numbers, found {int((~np.isfinite(values)).sum())} NaN or Inf")
    return pool_seconds(values) if values.shape[0] != NUM_SEGMENTS else values


def read_pseudo_labels(path: Path, root: Path) -> NDArray[np.float32]:
    """Return segment pseudo labels (10, 25), 0 or 1, in float32.

    Raises:
        FileProblem: as :func:`read_array`; another shape; other values than 0 and 1.
    """
    array = read_array(path, root)
    if array.shape != (NUM_SEGMENTS, NUM_CLASSES):
        raise FileProblem(path, f"expected shape {(NUM_SEGMENTS, NUM_CLASSES)}, found {array.shape}")
    values = array.astype(np.float32)
    if not np.isin(values, (0.0, 1.0)).all():
        odd = values[~np.isin(values, (0.0, 1.0))].flat[0]
        raise FileProblem(path, f"expected 0 or 1 for each segment and class, found {odd:g}")
    return values

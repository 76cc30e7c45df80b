"""What a parser says of some videos beside what is true: the four boolean grids that every score is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch
from torch import Tensor

from leap_avvp.errors import DataError

__all__ = ["Grids"]

_PART = 2**22  # decisions, of one grid: LLP's test split has 300,000


@dataclasses.dataclass(frozen=True, eq=False)
class Grids:
    """Said and true, in hearing and in seeing: B videos, T segments, C classes; of one shape, on one device.

    Raises:
        DataError: naming the grid, what was expected and what was found.
    """

    pred_audio: Tensor
    """(B, T, C) boolean, what is predicted to be heard."""
    pred_visual: Tensor
    """(B, T, C) boolean, what is predicted to be seen."""
    target_audio: Tensor
    """(B, T, C) boolean truth."""
    target_visual: Tensor
    """(B, T, C) boolean truth."""

    def __post_init__(self) -> None:
        first = self.pred_audio
        for field in dataclasses.fields(self):
            name, grid = field.name, getattr(self, field.name)
            if not isinstance(grid, Tensor) or grid.dtype != torch.bool:
                found = str(grid.dtype) if isinstance(grid, Tensor) else type(grid).__name__
                raise DataError(f"{name}: expected a boolean tensor (apply a threshold first), found {found}")
            if grid.dim() != 3:
                raise DataError(f"{name}: expected (videos, segments, classes), found shape {tuple(grid.shape)}")
            if grid.shape != first.shape:
                expected, shape = tuple(first.shape), tuple(grid.shape)
                raise DataError(f"{name}: expected the shape of pred_audio, {expected}, found {shape}")
            if grid.device != first.device:
                raise DataError(f"{name}: expected the device of pred_audio, {first.device}, found {grid.device}")

    def parts(self) -> Iterator[Grids]:
        """Yield the videos some at a time: to count takes tens of bytes a decision, and no video needs another."""
        videos, segments, classes = self.pred_audio.shape
        size = max(1, _PART // max(1, segments * classes))
        if size >= videos:
            yield self
            return
        grids = (self.pred_audio, self.pred_visual, self.target_audio, self.target_visual)
        for part in zip(*(torch.split(grid, size) for grid in grids), strict=True):
            yield Grids(*part)

    @property
    def pairs(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Prediction and truth of what is heard, of what is seen, and of what is both at once."""
        return {
            "audio": (self.pred_audio, self.target_audio),
            "visual": (self.pred_visual, self.target_visual),
            "audio_visual": (self.pred_audio & self.pred_visual, self.target_audio & self.target_visual),
        }

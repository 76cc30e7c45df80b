"""What a parser says of some videos beside what is true: the four boolean grids that every score is made of."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from leap_avvp.errors import DataError

__all__ = ["Grids"]


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

    @property
    def pairs(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Prediction and truth of what is heard, of what is seen, and of what is both at once."""
        return {
            "audio": (self.pred_audio, self.target_audio),
            "visual": (self.pred_visual, self.target_visual),
            "audio_visual": (self.pred_audio & self.pred_visual, self.target_audio & self.target_visual),
        }

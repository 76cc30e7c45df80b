"""R(2+1)D-18, Kinetics-400: 512 numbers of eight frames, LLP's features of motion.

The authors' way (AVVP-ECCV20 ``scripts/extract_3D_feat.py``): eight frames, each resized to exactly 112 x 112 (Pillow,
bilinear; the aspect is lost, nothing is cropped), Kinetics' mean and deviation; the average pooling's output.
torchvision's own transform of these weights (16 frames, 128 x 171, cropped) is another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leap_avvp.errors import DataError
from leap_avvp.media.images import normalise, resize_exactly
from leap_avvp.media.networks import batched, load_strictly, of_torchvision, read_state
from leap_avvp.media.weights import find

__all__ = ["CLIP_FRAMES", "KINETICS_NORM", "LICENCE", "SOURCE", "WEIGHTS", "R2Plus1D18", "shrink", "stack"]

SOURCE = "https://docs.pytorch.org/vision/stable/models.html, R2Plus1D_18_Weights.KINETICS400_V1"
LICENCE = "BSD-3-Clause (trained on Kinetics-400, CC-BY)"
WEIGHTS = "r2plus1d_18"

KINETICS_NORM = ((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
CLIP_FRAMES = 8
"""Consecutive frames of a row."""
SIDE = 112


def shrink(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (112, 112, 3): what the network sees of a picture (H, W, 3)."""
    return resize_exactly(frame, SIDE, SIDE)


def stack(shrunk: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Return (n, 3, 8, 112, 112) float32 of 8 n shrunk frames: each eight of them, colour before time."""
    frames = normalise(shrunk, KINETICS_NORM)  # (8 n, 3, 112, 112)
    return frames.reshape(-1, CLIP_FRAMES, *frames.shape[1:]).transpose(1, 2)


class R2Plus1D18:
    """Frames to (n / 8, 512) float32, at least 0. Needs the extra ``torchvision``."""

    name = WEIGHTS
    width = 512

    def __init__(self, weights: Path | None = None, device: str | torch.device = "cpu", batch: int = 5) -> None:
        """Load the network.

        Args:
            weights: ``r2plus1d_18-91a641e6.pth``; None for the cache's.
            device: on which it runs.
            batch: eights of frames at a time.

        Raises:
            ConfigError: torchvision is not installed.
            DataError: there are no weights, or they are another network's.
        """
        models = of_torchvision("torchvision.models.video")
        path = find(WEIGHTS) if weights is None else weights
        with torch.device("meta"):
            self.network = models.r2plus1d_18(weights=None)
        load_strictly(self.network, read_state(path), path)
        self.network.fc = nn.Identity()
        self.network.to(device)
        self.device, self.batch = device, batch

    def shrink(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return what need be kept of a frame; see :func:`shrink`."""
        return shrink(frame)

    def embed(self, shrunk: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return (n / 8, 512) of n shrunk frames.

        Raises:
            DataError: n is no multiple of 8.
        """
        if len(shrunk) % CLIP_FRAMES:
            raise DataError(f"R(2+1)D-18: expected a multiple of {CLIP_FRAMES} frames, found {len(shrunk)}")
        eights = [shrunk[first : first + CLIP_FRAMES] for first in range(0, len(shrunk), CLIP_FRAMES)]
        return batched(
            self.network,
            eights,
            lambda some: stack([frame for eight in some for frame in eight]),
            self.device,
            self.batch,
            self.width,
        )

    def __call__(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return (n / 8, 512) of n consecutive pictures (H, W, 3); see :meth:`embed`."""
        return self.embed([shrink(frame) for frame in frames])

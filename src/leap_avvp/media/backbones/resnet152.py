"""ResNet-152, ImageNet: 2,048 numbers of a picture, LLP's features of single frames.

The authors' way (AVVP-ECCV20 ``scripts/extract_rgb_feat.py``): ``pretrainedmodels.resnet152``, whose weights are
torchvision's IMAGENET1K_V1 (*not* V2; huggingface/pytorch-image-models PR 2346); the shorter side resized to 256
(Pillow, bilinear), the middle 224 x 224, ImageNet's mean and deviation; the average pooling's output.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from leap_avvp.media.images import IMAGENET_NORM, centre_crop, normalise, resize_shorter
from leap_avvp.media.networks import batched, load_strictly, of_torchvision, read_state
from leap_avvp.media.weights import find

__all__ = ["LICENCE", "SOURCE", "WEIGHTS", "ResNet152", "shrink"]

SOURCE = "https://docs.pytorch.org/vision/stable/models.html, ResNet152_Weights.IMAGENET1K_V1"
LICENCE = "BSD-3-Clause (trained on ImageNet)"
WEIGHTS = "resnet152"

RESIZED, CROP = 256, 224  # 224 / 0.875


def shrink(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (224, 224, 3): what the network sees of a picture (H, W, 3)."""
    return centre_crop(resize_shorter(frame, RESIZED), CROP, CROP)


class ResNet152:
    """Pictures to (n, 2048) float32, at least 0. Needs the extra ``torchvision``."""

    name = WEIGHTS
    width = 2048

    def __init__(self, weights: Path | None = None, device: str | torch.device = "cpu", batch: int = 16) -> None:
        """Load the network.

        Args:
            weights: ``resnet152-394f9c45.pth``, or ``resnet152-b121ed2d.pth``; None for the cache's.
            device: on which it runs.
            batch: pictures at a time.

        Raises:
            ConfigError: torchvision is not installed.
            DataError: there are no weights, or they are another network's.
        """
        models = of_torchvision("torchvision.models")
        path = find(WEIGHTS) if weights is None else weights
        with torch.device("meta"):
            self.network = models.resnet152(weights=None)
        load_strictly(self.network, read_state(path), path)
        self.network.fc = nn.Identity()
        self.network.to(device)
        self.device, self.batch = device, batch

    def shrink(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return what need be kept of a frame; see :func:`shrink`."""
        return shrink(frame)

    def embed(self, shrunk: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return (n, 2048) of n shrunk frames."""
        return batched(
            self.network, shrunk, lambda some: normalise(some, IMAGENET_NORM), self.device, self.batch, self.width
        )

    def __call__(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return (n, 2048) of n pictures (H, W, 3) of any sizes."""
        return self.embed([shrink(frame) for frame in frames])

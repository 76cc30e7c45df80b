"""Pictures made ready for networks: resized, cropped and normalised as each author's program did it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leap_avvp.errors import DataError

__all__ = [
    "CLIP_NORM",
    "IMAGENET_NORM",
    "centre_crop",
    "normalise",
    "resize_exactly",
    "resize_shorter",
    "resize_tensor",
]

IMAGENET_NORM = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of red, green, blue in [0, 1]."""
CLIP_NORM = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
"""OpenAI's, for CLIP."""
_LONGEST = 16  # times as long as wide: more than that is cropped before it is resized


def resize_shorter(picture: NDArray[np.uint8], size: int, method: str = "bilinear") -> NDArray[np.uint8]:
    """Return the picture with its shorter side ``size`` and the longer one rounded down, resized by Pillow.

    Pillow filters when it shrinks (antialias). A picture more than 16 times as long as wide loses its ends before.

    Args:
        picture: (H, W, 3) RGB.
        size: pixels.
        method: ``bilinear`` or ``bicubic``.
    """
    height, width = _checked(picture).shape[:2]
    most = _LONGEST * min(height, width)
    if max(height, width) > most:
        picture = centre_crop(picture, min(height, most), min(width, most))
        height, width = picture.shape[:2]
    if min(height, width) == size:
        return picture
    if height < width:
        return resize_exactly(picture, size, size * width // height, method)
    return resize_exactly(picture, size * height // width, size, method)


def resize_exactly(picture: NDArray[np.uint8], height: int, width: int, method: str = "bilinear") -> NDArray[np.uint8]:
    """Return (height, width, 3): resized by Pillow (antialias), whatever that does to the aspect."""
    from PIL import Image

    methods = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    image = Image.fromarray(np.ascontiguousarray(_checked(picture)))
    return np.asarray(image.resize((width, height), methods[method]))


def centre_crop(picture: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Return the middle (height, width, ...) of a picture that is at least as large.

    Where the border is odd it begins at its half rounded half to even, as in torchvision.
    """
    top, left = (round((side - kept) / 2) for side, kept in zip(picture.shape, (height, width), strict=False))
    return picture[top : top + height, left : left + width]


def resize_tensor(picture: NDArray[np.uint8], height: int, width: int) -> torch.Tensor:
    """Return (3, height, width) float32 in [0, 1]: bilinear on the tensor, *without* antialias.

    So did torchvision 0.13 with tensors, when VALOR's features were made; today's default antialiases.
    """
    tensor = torch.from_numpy(np.array(_checked(picture))).permute(2, 0, 1).float() / 255
    if tensor.shape[1:] == (height, width):
        return tensor
    resized = torch.nn.functional.interpolate(
        tensor[None], (height, width), mode="bilinear", align_corners=False, antialias=False
    )
    return resized[0]


def normalise(
    pictures: Sequence[NDArray[np.uint8]] | torch.Tensor, norm: tuple[Sequence[float], Sequence[float]]
) -> torch.Tensor:
    """Return (n, 3, H, W) float32: in [0, 1], less the mean, divided by the standard deviation.

    Args:
        pictures: n of (H, W, 3) uint8, all of one size; or (n, 3, H, W) in [0, 1] already.
        norm: mean and standard deviation by colour.
    """
    if not isinstance(pictures, torch.Tensor):
        pictures = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    mean, deviation = (torch.tensor(list(part), dtype=torch.float32)[:, None, None] for part in norm)
    return (pictures - mean) / deviation


def _checked(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or 0 in picture.shape:
        raise DataError(f"a picture: expected (H, W, 3) uint8, found {picture.shape} {picture.dtype}")
    return picture

"""CLIP: pictures and texts in one space; VALOR's and UWAV's features are of ViT-L/14, LSLD's of ViT-B/16.

How a picture is made ready differs by author (:data:`PREPARATIONS`):

* ``valor`` (Franklin905/VALOR ``utils/clip_preprocess.py``): resized to exactly 224 x 224 as a float tensor, bilinear
  and, as torchvision 0.13 did it, without antialias; features divided by their norm. Taken for UWAV too, of the same
  authors, whose program for it is not public.
* ``openai`` (fyyCS/LSLD ``scripts/extract_clip_feat.py``, openai/CLIP): the shorter side to 224 (Pillow, bicubic), the
  middle 224 x 224; features as they are. LSLD's files were made in float16 on a GPU; here it is float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leap_avvp.errors import check_choice
from leap_avvp.media.images import CLIP_NORM, centre_crop, normalise, resize_shorter, resize_tensor
from leap_avvp.media.networks import batched, load_pretrained, load_tokenizer
from leap_avvp.media.weights import find

__all__ = ["CLIP", "LICENCE", "PREPARATIONS", "SOURCE", "WEIGHTS", "crop_picture", "squash_picture", "unit"]

SOURCE = "https://huggingface.co/openai/clip-vit-large-patch14, https://huggingface.co/openai/clip-vit-base-patch16"
LICENCE = "MIT (OpenAI's CLIP), Apache-2.0 (transformers)"
WEIGHTS = ("clip_vit_l14", "clip_vit_b16")

PREPARATIONS = ("valor", "openai")
_WORDS = 77


def squash_picture(frame: NDArray[np.uint8], size: int = 224) -> NDArray[np.float32]:
    """Return (3, size, size) in [0, 1] of a picture (H, W, 3), as VALOR made it."""
    return np.asarray(resize_tensor(frame, size, size).numpy())


def crop_picture(frame: NDArray[np.uint8], size: int = 224) -> NDArray[np.uint8]:
    """Return (size, size, 3) of a picture (H, W, 3), as OpenAI's and LSLD's programs made it."""
    return centre_crop(resize_shorter(frame, size, "bicubic"), size, size)


class CLIP:
    """Pictures to (n, F) float32, and texts to (C, F); F is 768 of ViT-L/14, 512 of ViT-B/16. Extra ``clip``."""

    def __init__(
        self,
        weights: Path | None = None,
        device: str | torch.device = "cpu",
        name: str = "clip_vit_l14",
        preparation: str = "valor",
        batch: int = 16,
    ) -> None:
        """Load the network.

        Args:
            weights: folder of a CLIPModel and its tokenizer, as on the hub; None for ``name``'s in the cache.
            device: on which it runs.
            name: see :data:`WEIGHTS`.
            preparation: see :data:`PREPARATIONS`.
            batch: pictures at a time.

        Raises:
            ConfigError: transformers is not installed, or an unknown preparation.
            DataError: there are no weights, or they are another network's.
        """
        self.name, self.device, self.batch = name, device, batch
        self.preparation = check_choice("preparation", preparation, PREPARATIONS)
        self.folder = find(name) if weights is None else weights
        self.network = load_pretrained("CLIPModel", self.folder).to(device)
        self.width = int(self.network.config.projection_dim)
        self.size = int(self.network.config.vision_config.image_size)
        self.scale = float(self.network.logit_scale.exp())
        """What cosines are multiplied by; 100 in OpenAI's weights."""

    def shrink(self, frame: NDArray[np.uint8]) -> NDArray[Any]:
        """Return what need be kept of a frame; see :func:`squash_picture` and :func:`crop_picture`."""
        if self.preparation == "valor":
            return squash_picture(frame, self.size)
        return crop_picture(frame, self.size)

    def embed(self, shrunk: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Return (n, F) of n shrunk frames; of length 1 where the preparation is ``valor``."""
        features = batched(self._pictures, shrunk, self._normalise, self.device, self.batch, self.width)
        return unit(features) if self.preparation == "valor" else features

    def __call__(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return (n, F) of n pictures (H, W, 3) of any sizes; see :meth:`embed`."""
        return self.embed([self.shrink(frame) for frame in frames])

    def text(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Return (C, F), each of length 1, of C texts; what is longer than 77 words and signs is cut.

        Raises:
            DataError: there is no tokenizer beside the weights.
        """
        tokens = load_tokenizer(self.folder)(
            list(prompts), padding=True, truncation=True, max_length=_WORDS, return_tensors="pt"
        )
        with torch.inference_mode():
            found = self.network.get_text_features(
                input_ids=tokens["input_ids"].to(self.device), attention_mask=tokens["attention_mask"].to(self.device)
            )
        return unit(_tensor(found).float().cpu().numpy())

    def _pictures(self, pixels: Tensor) -> Tensor:
        return _tensor(self.network.get_image_features(pixel_values=pixels))

    def _normalise(self, some: Sequence[NDArray[Any]]) -> Tensor:
        if self.preparation == "valor":
            return normalise(torch.from_numpy(np.stack(some)), CLIP_NORM)
        return normalise(some, CLIP_NORM)


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows of length 1; one of zeros stays so."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), np.float32)


def _tensor(found: Any) -> Tensor:
    """Return the projected features: transformers 5 returns them beside others, 4 alone."""
    tensor: Tensor = getattr(found, "pooler_output", found)
    return tensor

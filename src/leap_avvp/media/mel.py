"""Log-mel front ends: what VGGish, YAMNet and CLAP hear, in NumPy, float64 inside and float32 out."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["hann_periodic", "log_mel", "mel_matrix", "mel_of", "slaney_matrix", "spectrogram"]

_FRAMES_AT_ONCE = 4096  # a long sound takes no more memory than these frames do


def hann_periodic(n: int) -> NDArray[np.float64]:
    """Return (n,) the periodic Hann window, 0.5 - 0.5 cos(2 pi k / n); that of `np.hanning` is symmetric."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)


def mel_of(hertz: Any) -> NDArray[np.float64]:
    """Return mel by HTK's formula, 1127 ln(1 + f / 700)."""
    return np.asarray(1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0))


@functools.lru_cache(maxsize=16)
def mel_matrix(bands: int, fft: int, rate: float, low: float, high: float, linear: str = "mel") -> NDArray[np.float64]:
    """Return (fft / 2 + 1, bands): triangles at equal distances in HTK's mel, of height 1; bin 0 (DC) has no weight.

    Args:
        bands: number of triangles.
        fft: length of the transform, in samples.
        rate: samples a second.
        low, high: Hz, where the first triangle begins and the last one ends.
        linear: in what the sides are straight: ``mel`` as AudioSet's front end has it (tensorflow/models,
            ``vggish/mel_features.py``), ``hertz`` as torchaudio's and transformers' do (CLAP).

    The array is shared and read-only.
    """
    edges = np.linspace(mel_of(low), mel_of(high), bands + 2)
    bins = np.linspace(0.0, rate / 2, fft // 2 + 1)
    if linear == "mel":
        bins = mel_of(bins)
    elif linear == "hertz":
        edges = 700.0 * np.expm1(edges / 1127.0)
    else:
        raise ValueError(linear)
    weights = _triangles(bins, edges)
    weights[0] = 0.0
    weights.flags.writeable = False
    return weights


@functools.lru_cache(maxsize=16)
def slaney_matrix(bands: int, fft: int, rate: float, low: float, high: float) -> NDArray[np.float64]:
    """Return (fft / 2 + 1, bands): librosa's filters, by Slaney's scale (linear to 1 kHz), each of area 1 Hz.

    Arguments as of :func:`mel_matrix`. CLAP without fusion hears through them (``torchlibrosa``).
    """
    step, corner, grow = 200 / 3, 1000.0, np.log(6.4) / 27
    ends = [f / step if f < corner else corner / step + np.log(f / corner) / grow for f in (low, high)]
    mels = np.linspace(ends[0], ends[1], bands + 2)
    above = mels >= corner / step
    edges = np.where(above, corner * np.exp(grow * np.where(above, mels - corner / step, 0.0)), step * mels)
    weights = _triangles(np.linspace(0.0, rate / 2, fft // 2 + 1), edges) * (2 / (edges[2:] - edges[:-2]))
    weights.flags.writeable = False
    return weights


def _triangles(bins: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (bins, bands): triangle b rises from edge b to b + 1, and falls to b + 2."""
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))


def spectrogram(samples: NDArray[Any], window: int, hop: int, fft: int, power: float = 1.0) -> NDArray[np.float64]:
    """Return (frames, fft / 2 + 1) magnitudes, or their ``power``.

    Frames are whole: 1 + (n - window) // hop of them, none of fewer samples than a window; each is weighted by
    :func:`hann_periodic`.

    Args:
        samples: (n,) mono.
        window, hop, fft: samples; ``window`` <= ``fft``.
        power: 1 for magnitudes, 2 for energies.
    """
    samples = np.asarray(samples, np.float64)
    if len(samples) < window:
        return np.zeros((0, fft // 2 + 1))
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    magnitudes: NDArray[np.float64] = np.abs(np.fft.rfft(frames * hann_periodic(window), fft))
    return magnitudes if power == 1 else magnitudes**power


def log_mel(
    samples: NDArray[Any],
    rate: float = 16_000,
    window: int = 400,
    hop: int = 160,
    fft: int = 512,
    bands: int = 64,
    low: float = 125.0,
    high: float = 7500.0,
    offset: float = 0.01,
    power: float = 1.0,
) -> NDArray[np.float32]:
    """Return (frames, bands) float32: ln(mel energy + ``offset``). The defaults are VGGish's; YAMNet's offset is 0.001.

    Args:
        samples: (n,) mono in [-1, 1].
        rate: samples a second.
        window, hop, fft: see :func:`spectrogram`.
        bands, low, high: see :func:`mel_matrix`; the sides are straight in mel.
        offset: added before the logarithm.
        power: 1: magnitudes are summed, as AudioSet's front end does; 2: energies.
    """
    matrix = mel_matrix(bands, fft, rate, low, high)
    count = max(0, 1 + (len(samples) - window) // hop)
    out = np.empty((count, bands), np.float32)
    for first in range(0, count, _FRAMES_AT_ONCE):
        last = min(first + _FRAMES_AT_ONCE, count)
        part = samples[first * hop : (last - 1) * hop + window]
        out[first:last] = np.log(spectrogram(part, window, hop, fft, power) @ matrix + offset)
    return out

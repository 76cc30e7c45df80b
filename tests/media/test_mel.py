"""The log-mel front ends against plain readings of their definitions, written without matrices."""

from __future__ import annotations

import math

import numpy as np
import pytest

from leap_avvp.media.mel import hann_periodic, log_mel, mel_matrix, mel_of, slaney_matrix, spectrogram


def triangle(frequency: float, band: int, bands: int, low: float, high: float, in_mel: bool) -> float:
    """Return the weight of a frequency in a band, by HTK's formula in its other form."""

    def mel(hertz: float) -> float:
        return 2595 * math.log10(1 + hertz / 700)

    step = (mel(high) - mel(low)) / (bands + 1)
    left, middle, right = (mel(low) + step * (band + place) for place in range(3))
    if not in_mel:
        left, middle, right = (700 * (10 ** (edge / 2595) - 1) for edge in (left, middle, right))
    x = mel(frequency) if in_mel else frequency
    if left < x <= middle:
        return (x - left) / (middle - left)
    return (right - x) / (right - middle) if middle < x < right else 0.0


@pytest.mark.parametrize(
    ("bands", "fft", "rate", "low", "high", "linear"),
    [
        (64, 512, 16_000, 125.0, 7500.0, "mel"),  # VGGish, YAMNet
        (64, 1024, 48_000, 50.0, 14_000.0, "hertz"),  # CLAP
        (7, 256, 8_000, 10.0, 3_900.0, "mel"),
    ],
)
def test_triangles(bands: int, fft: int, rate: int, low: float, high: float, linear: str) -> None:
    matrix = mel_matrix(bands, fft, rate, low, high, linear)
    plain = [
        [triangle(k * rate / fft, band, bands, low, high, linear == "mel") if k else 0.0 for band in range(bands)]
        for k in range(fft // 2 + 1)
    ]
    assert matrix.shape == (fft // 2 + 1, bands)
    np.testing.assert_allclose(matrix, plain, atol=1e-12)
    assert matrix[0].max() == 0.0
    assert 0 <= matrix.min() <= matrix.max() <= 1


def test_the_sides_matter_and_no_other_word_is_taken() -> None:
    mel = mel_matrix(64, 512, 16_000, 125.0, 7500.0)
    hertz = mel_matrix(64, 512, 16_000, 125.0, 7500.0, "hertz")
    assert np.abs(mel - hertz).max() > 1e-3  # triangles are narrow: little, but not nothing
    with pytest.raises(ValueError, match="bark"):
        mel_matrix(64, 512, 16_000, 125.0, 7500.0, "bark")
    with pytest.raises(ValueError, match="read-only"):
        mel[1, 1] = 3


def test_slaneys_filters() -> None:
    """Equal steps of 200/3 Hz to 1 kHz, of a factor 6.4 ** (1 / 27) above it, and each triangle of area 1."""
    scale = [200 / 3 * mel for mel in range(15)] + [1000 * 6.4 ** ((mel - 15) / 27) for mel in range(15, 100)]
    bands, fft, rate = 64, 1024, 48_000
    low, high = 50.0, 14_000.0
    ends = [np.interp(low, scale[:16], range(16)), 15 + 27 * math.log(high / 1000) / math.log(6.4)]
    edges = []
    for mel in np.linspace(*ends, bands + 2):
        edges.append(200 / 3 * mel if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27))
    found = slaney_matrix(bands, fft, rate, low, high)
    assert found.shape == (513, 64)
    for band in (0, 1, 20, 63):
        left, middle, right = edges[band : band + 3]
        for k in range(513):
            f = k * rate / fft
            side = (f - left) / (middle - left) if f <= middle else (right - f) / (right - middle)
            assert found[k, band] == pytest.approx(max(0.0, side) * 2 / (right - left), abs=1e-12)
    assert found[:, 63].sum() * rate / fft == pytest.approx(1, rel=0.05)


def test_window_and_scale() -> None:
    window = hann_periodic(400)
    assert window[0] == 0.0
    assert window[200] == 1.0
    np.testing.assert_allclose(window[1:], window[:0:-1])  # symmetric without its first sample: periodic
    np.testing.assert_allclose(window, np.hanning(401)[:400])
    assert mel_of(0.0) == 0.0
    np.testing.assert_allclose(mel_of(700.0), 1127 * math.log(2))


def test_a_spectrogram_is_a_sum_of_cosines_and_sines() -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 100)
    found = spectrogram(samples, window=40, hop=16, fft=64)
    assert found.shape == (4, 33)  # 1 + (100 - 40) // 16
    for frame in range(4):
        for k in (0, 1, 17, 32):
            total = sum(
                samples[16 * frame + n]
                * (0.5 - 0.5 * math.cos(2 * math.pi * n / 40))
                * complex(math.cos(2 * math.pi * k * n / 64), -math.sin(2 * math.pi * k * n / 64))
                for n in range(40)
            )
            assert found[frame, k] == pytest.approx(abs(total), abs=1e-12)
    np.testing.assert_allclose(spectrogram(samples, 40, 16, 64, power=2), found**2)
    assert spectrogram(samples[:39], 40, 16, 64).shape == (0, 33)


def test_log_mel_of_vggish() -> None:
    samples = np.random.default_rng(1).uniform(-1, 1, 16_000).astype(np.float32)
    found = log_mel(samples)
    assert found.shape == (98, 64)
    assert found.dtype == np.float32
    frame = samples[160 * 5 : 160 * 5 + 400].astype(np.float64) * np.hanning(401)[:400]
    energy = np.abs(np.fft.fft(frame, 512))[:257]
    plain = [
        math.log(sum(energy[k] * triangle(k * 16_000 / 512, band, 64, 125, 7500, True) for k in range(1, 257)) + 0.01)
        for band in range(64)
    ]
    np.testing.assert_allclose(found[5], plain, rtol=1e-6)
    np.testing.assert_allclose(log_mel(samples, offset=0.001)[5], np.log(np.exp(np.float64(plain)) - 0.009), rtol=1e-6)


def test_silence_and_the_shortest_sounds() -> None:
    assert np.all(log_mel(np.zeros(16_000)) == np.float32(math.log(0.01)))
    assert log_mel(np.zeros(399)).shape == (0, 64)
    assert log_mel(np.zeros(0)).shape == (0, 64)
    assert log_mel(np.zeros(400)).shape == (1, 64)
    assert log_mel(np.zeros(15_599)).shape == (95, 64)  # so VGGish needs 15,600 samples
    assert log_mel(np.zeros(15_600)).shape == (96, 64)


def test_a_long_sound_is_its_pieces() -> None:
    samples = np.random.default_rng(2).uniform(-1, 1, 160 * 5000 + 400)
    whole = log_mel(samples)
    assert whole.shape == (5001, 64)
    first = 4090
    np.testing.assert_allclose(whole[first : first + 20], log_mel(samples[160 * first :])[:20], rtol=1e-6)

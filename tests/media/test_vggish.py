"""VGGish in its true size with random weights: shapes, front end, MoviePy's samples, and what is wrong with files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from leap_avvp.errors import DataError
from leap_avvp.media.backbones.vggish import LEAST_SAMPLES, VGGish, VGGishNetwork, as_moviepy, example
from leap_avvp.media.mel import log_mel
from leap_avvp.media.weights import WEIGHTS, cache_folder

REAL = cache_folder() / WEIGHTS["vggish"].file
# What torchvggish's file holds, as its own network names it.
SHAPES = {
    "features.0.weight": (64, 1, 3, 3),
    "features.3.weight": (128, 64, 3, 3),
    "features.6.weight": (256, 128, 3, 3),
    "features.8.weight": (256, 256, 3, 3),
    "features.11.weight": (512, 256, 3, 3),
    "features.13.weight": (512, 512, 3, 3),
    "embeddings.0.weight": (4096, 12288),
    "embeddings.2.weight": (4096, 4096),
    "embeddings.4.weight": (128, 4096),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a file of random weights: 289 MB, removed behind the tests."""
    path = tmp_path_factory.mktemp("vggish") / "vggish-random.pth"
    torch.manual_seed(0)
    torch.save(VGGishNetwork().state_dict(), path)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def vggish(weights: Path) -> VGGish:
    return VGGish(weights)


def sound(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, count).astype(np.float32)


def test_the_network_has_the_names_and_shapes_of_the_file() -> None:
    with torch.device("meta"):
        state = VGGishNetwork().state_dict()
    assert {name: tuple(value.shape) for name, value in state.items() if name.endswith("weight")} == SHAPES
    assert sum(value.numel() for value in state.values()) == 72_141_184
    assert {name for name in state if name.endswith("bias")} == {name.replace("weight", "bias") for name in SHAPES}


def test_ten_seconds(vggish: VGGish) -> None:
    pieces = sound(160_000).reshape(10, 16_000)
    rows = vggish(pieces)
    assert rows.shape == (10, 128)
    assert rows.dtype == np.float32
    assert rows.min() == 0  # the last layer's ReLU
    assert 0.2 < (rows == 0).mean() < 0.8
    np.testing.assert_array_equal(rows, vggish(pieces))
    np.testing.assert_allclose(rows[3:5], vggish(pieces[3:5]), atol=1e-5)
    assert vggish(np.zeros((0, 16_000), np.float32)).shape == (0, 128)


def test_the_maps_are_flattened_channels_last(vggish: VGGish) -> None:
    """As TensorFlow had them: time, frequency, channel."""
    examples = torch.from_numpy(np.stack([example(sound(16_000, seed)) for seed in range(2)]))
    with torch.inference_mode():
        maps = vggish.network.features(examples[:, None]).numpy()
        flat = np.stack([[one[c, t, f] for t in range(6) for f in range(4) for c in range(512)] for one in maps])
        plain = vggish.network.embeddings(torch.from_numpy(flat)).numpy()
    np.testing.assert_allclose(vggish(np.stack([sound(16_000, seed) for seed in range(2)])), plain, atol=1e-6)


def test_an_example_is_the_first_96_of_98_frames() -> None:
    piece = sound(16_000)
    assert example(piece).shape == (96, 64)
    np.testing.assert_array_equal(example(piece), log_mel(piece)[:96])
    changed = piece.copy()
    changed[LEAST_SAMPLES:] = 0
    np.testing.assert_array_equal(example(piece), example(changed))


def test_a_short_piece_is_filled_with_zeros() -> None:
    piece = sound(9_000)
    np.testing.assert_array_equal(example(piece), example(np.pad(piece, (0, 7_000))))
    silence = np.float32(math.log(0.01))
    assert (example(piece)[60:] == silence).all()
    assert (example(np.zeros(0)) == silence).all()
    assert (example(piece)[:50] != silence).all()


def test_silence_gives_equal_rows(vggish: VGGish) -> None:
    rows = vggish(np.zeros((4, 16_000), np.float32))
    np.testing.assert_array_equal(rows, np.repeat(rows[:1], 4, axis=0))


# MoviePy


def test_moviepy_takes_the_nearest_samples() -> None:
    places = as_moviepy(np.arange(20_000) / 32768)
    assert len(places) == 20_000 * 16_000 // 44_100
    exact = [Fraction(44_100 * k, 16_000) for k in range(len(places))]
    found = [round(float(place) * 32768) for place in places]
    assert max(abs(one - other) for one, other in zip(found, exact, strict=True)) <= Fraction(1, 2)
    assert places.dtype == np.float32


def test_moviepys_buffer_is_a_sample_late_after_each_refill() -> None:
    count = 10 * 44_100
    # Two slow ramps tell 441,000 places apart in 16 bits.
    coarse, fine = (np.round(as_moviepy(part / 32768) * 32768) for part in np.divmod(np.arange(count), 1000))
    late = 44_100 / 16_000 * np.arange(160_000) - (1000 * coarse + fine)  # but for half a sample
    by_block = np.round(np.median(late.reshape(-1, 500), axis=1))
    assert np.unique(by_block).tolist() == [0, 1, 2, 3]
    changes = np.flatnonzero(np.diff(by_block) == 1)
    np.testing.assert_allclose(changes * 500 / 16_000, [4.5, 6.7, 9.0], atol=0.15)


def test_what_is_above_8_khz_folds_down() -> None:
    seconds = np.arange(44_100) / 44_100
    found = as_moviepy(0.5 * np.sin(2 * np.pi * 11_000 * seconds))
    spectrum = np.abs(np.fft.rfft(found))
    assert abs(int(spectrum.argmax()) - 5_000) <= 1  # 16,000 - 11,000
    assert spectrum.max() > 0.3 * len(found) / 4  # no filter took it away


def test_sixteen_bits_and_their_limit() -> None:
    found = as_moviepy(np.repeat([2.0, -2.0, 0.5, -0.5, 0.00004, -0.00004], 100), rate=16_000)
    assert len(found) == 600
    np.testing.assert_array_equal(
        found[::100] * 32768, [math.trunc(0.99 * 32768), -math.trunc(0.99 * 32768), 16384, -16384, 1, -1]
    )
    assert len(as_moviepy(np.zeros(1))) == 0
    assert len(as_moviepy(np.zeros(441_000))) == 160_000


# Files


def test_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.pth: expected a file of weights, found none"):
        VGGish(tmp_path / "gone.pth")
    (tmp_path / "text.pth").write_text("weights")
    with pytest.raises(DataError, match=r"text\.pth: expected a file of plain tensors"):
        VGGish(tmp_path / "text.pth")
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(DataError, match="expected tensors by name, found list"):
        VGGish(tmp_path / "list.pth")
    with torch.device("meta"):
        names = list(VGGishNetwork().state_dict())
    small = {name: torch.zeros(1) for name in names}
    for changed, message in (
        ({name: small[name] for name in names[:-1]}, "the weights of VGGishNetwork; it lacks embeddings.4.bias"),
        ({"embeddings.4.bias": torch.zeros(7)} | small, r"embeddings.4.bias: expected shape \(128,\), found \(1,\)"),
        (small | {"pproc.pca_means": torch.zeros(7)}, "it also has pproc.pca_means"),
    ):
        torch.save(changed, tmp_path / "other.pth")
        with pytest.raises(DataError, match=message):
            VGGish(tmp_path / "other.pth")


def test_without_weights_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAP_AVVP_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="`leap-avvp weights get vggish`"):
        VGGish()


@pytest.mark.skipif(not REAL.is_file(), reason=f"VGGish's weights are not at {REAL}; `leap-avvp weights get vggish`")
def test_the_real_weights_and_digital_silence() -> None:
    from leap_avvp.media.check_features import check_silence

    assert check_silence(VGGish(REAL)) == []

"""Pictures as each author's program made them ready, against Pillow itself and against sums over pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from leap_avvp.errors import DataError
from leap_avvp.media.images import (
    CLIP_NORM,
    IMAGENET_NORM,
    centre_crop,
    normalise,
    resize_exactly,
    resize_shorter,
    resize_tensor,
)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return a smooth random picture, (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (240, 320, (256, 341)),  # the real video: 256 * 320 / 240 = 341.33
        (320, 240, (341, 256)),
        (256, 300, (256, 300)),  # as it is
        (100, 100, (256, 256)),
        (1080, 1919, (256, 454)),
        (3, 40, (256, 3413)),
    ],
)
def test_the_shorter_side(height: int, width: int, expected: tuple[int, int]) -> None:
    one = picture(height, width)
    found = resize_shorter(one, 256)
    assert found.shape == (*expected, 3)
    theirs = np.asarray(Image.fromarray(one).resize(expected[::-1], Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(found, theirs)


def test_bicubic_and_exact() -> None:
    one = picture(90, 160)
    found = resize_shorter(one, 224, "bicubic")
    np.testing.assert_array_equal(found, np.asarray(Image.fromarray(one).resize((398, 224), Image.Resampling.BICUBIC)))
    assert np.abs(found.astype(int) - resize_shorter(one, 224).astype(int)).max() > 0
    squeezed = resize_exactly(one, 112, 112)
    np.testing.assert_array_equal(
        squeezed, np.asarray(Image.fromarray(one).resize((112, 112), Image.Resampling.BILINEAR))
    )


def test_pillow_filters_when_it_shrinks_and_the_tensor_does_not() -> None:
    stripes = np.zeros((224 * 4, 224 * 4, 3), np.uint8)
    stripes[:, ::4] = 255  # each fourth column is white
    assert np.abs(resize_exactly(stripes, 224, 224).astype(int) - 64).max() <= 64
    assert resize_exactly(stripes, 224, 224)[50:60, 50:60].std() < 1
    # Without antialias pixel x looks at columns 4 x + 1.5: the white one is not among the two it reads.
    assert resize_tensor(stripes, 224, 224).max() == 0


def test_the_tensor_is_resized_bilinearly() -> None:
    one = picture(37, 53)
    found = resize_tensor(one, 20, 30)
    assert found.shape == (3, 20, 30)
    assert found.dtype == torch.float32
    for row, column in ((0, 0), (7, 11), (19, 29)):
        y, x = ((place + 0.5) * side / wanted - 0.5 for place, side, wanted in ((row, 37, 20), (column, 53, 30)))
        top, left = int(y), int(x)
        down, right = y - top, x - left
        corner = one[top : top + 2, left : left + 2].astype(float) / 255
        plain = (
            corner[0, 0] * (1 - down) * (1 - right)
            + corner[0, 1] * (1 - down) * right
            + corner[1, 0] * down * (1 - right)
            + corner[1, 1] * down * right
        )
        np.testing.assert_allclose(found[:, row, column], plain, atol=1e-5)
    np.testing.assert_array_equal(resize_tensor(one, 37, 53).numpy(), (one.transpose(2, 0, 1) / np.float32(255)))


@pytest.mark.parametrize(("side", "kept", "first"), [(10, 4, 3), (9, 4, 2), (11, 4, 4), (4, 4, 0), (341, 224, 58)])
def test_the_middle(side: int, kept: int, first: int) -> None:
    """An odd border begins at its half rounded half to even: 2.5 is 2, 3.5 is 4."""
    columns = np.tile(np.arange(side)[None, :, None], (side, 1, 3)).astype(np.uint16)
    found = centre_crop(columns, kept, kept)
    assert found.shape == (kept, kept, 3)
    assert found[0, 0, 0] == first
    assert centre_crop(columns.transpose(1, 0, 2), kept, kept)[0, 0, 0] == first


def test_norm() -> None:
    pictures = [picture(5, 6, seed) for seed in range(3)]
    found = normalise(pictures, IMAGENET_NORM)
    assert found.shape == (3, 3, 5, 6)
    for number, mean, deviation in zip(range(3), *IMAGENET_NORM, strict=True):
        plain = (np.stack(pictures)[..., number] / 255 - mean) / deviation
        np.testing.assert_allclose(found[:, number], plain, atol=1e-5)
    ready = torch.rand(2, 3, 4, 4)
    np.testing.assert_allclose(
        normalise(ready, CLIP_NORM)[1, 2], (ready[1, 2].numpy() - 0.40821073) / 0.27577711, atol=1e-6
    )


def test_a_picture_that_is_hardly_one_fills_no_memory() -> None:
    long = np.zeros((2, 20_000, 3), np.uint8)
    long[:, 9_990:10_010] = 200
    found = resize_shorter(long, 256)
    assert found.shape == (256, 16 * 256, 3)
    assert centre_crop(found, 224, 224).min() == 200  # its middle is kept
    assert resize_shorter(np.zeros((1, 1, 3), np.uint8), 256).shape == (256, 256, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_what_is_no_picture(wrong: np.ndarray) -> None:
    for call in (
        lambda: resize_shorter(wrong, 9),
        lambda: resize_exactly(wrong, 9, 9),
        lambda: resize_tensor(wrong, 9, 9),
    ):
        with pytest.raises(DataError, match=r"expected \(H, W, 3\) uint8, found"):
            call()

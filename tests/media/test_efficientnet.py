"""EfficientNet-Lite0: its network against a plain reading of the published architecture, its file taken strictly."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from leap_avvp.errors import DataError
from leap_avvp.media.backbones.efficientnet_lite0 import EfficientNetLite0, EfficientNetLite0Network, shrink
from leap_avvp.media.names import imagenet_names
from tests.media.pretrained import needs

FARM = Path("/usr/share/gcompris-qt/rcc/explore_farm_animals.rcc")

# kernel, stride, expansion, channels: EfficientNet-B0's sixteen blocks (Tan and Le, 2019, Table 1).
BLOCKS = [
    (3, 1, 1, 16),
    *[(3, 2, 6, 24), (3, 1, 6, 24)],
    *[(5, 2, 6, 40), (5, 1, 6, 40)],
    *[(3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80)],
    *[(5, 1, 6, 112), (5, 1, 6, 112), (5, 1, 6, 112)],
    *[(5, 2, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192)],
    (3, 1, 6, 320),
]


def random_state(seed: int = 0) -> dict[str, torch.Tensor]:
    """Return random numbers by the names of the published file."""
    made = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}

    def convolution(name: str, norm: str, *shape: int) -> None:
        fan = shape[1] * shape[2] * shape[3]
        state[f"{name}.weight"] = torch.randn(shape, generator=made) * (2 / fan) ** 0.5
        state[f"{norm}.weight"] = 1 + 0.2 * torch.randn(shape[0], generator=made)
        state[f"{norm}.bias"] = 0.2 * torch.randn(shape[0], generator=made)
        state[f"{norm}.running_mean"] = 0.1 * torch.randn(shape[0], generator=made)
        state[f"{norm}.running_var"] = 0.5 + torch.rand(shape[0], generator=made)
        state[f"{norm}.num_batches_tracked"] = torch.tensor(7)

    convolution("_conv_stem", "_bn0", 32, 3, 3, 3)
    channels = 32
    for place, (kernel, _, expansion, wanted) in enumerate(BLOCKS):
        block, wide = f"_blocks.{place}", channels * expansion
        if expansion > 1:
            convolution(f"{block}._expand_conv", f"{block}._bn0", wide, channels, 1, 1)
        convolution(f"{block}._depthwise_conv", f"{block}._bn1", wide, 1, kernel, kernel)
        convolution(f"{block}._project_conv", f"{block}._bn2", wanted, wide, 1, 1)
        channels = wanted
    convolution("_conv_head", "_bn1", 1280, channels, 1, 1)
    state["_fc.weight"] = torch.randn((1000, 1280), generator=made) * 0.05
    state["_fc.bias"] = torch.randn(1000, generator=made)
    return state


def plain(state: dict[str, torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features and logits, step by step, without a module."""

    def step(name: str, norm: str, x: torch.Tensor, stride: int = 1, groups: int = 1) -> torch.Tensor:
        weight, size = state[f"{name}.weight"], x.shape[-1]
        missing = max((-(-size // stride) - 1) * stride + weight.shape[-1] - size, 0)  # TensorFlow's SAME
        x = F.pad(x, (missing // 2, missing - missing // 2) * 2)
        x = F.conv2d(x, weight, stride=stride, groups=groups)
        scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + 1e-3).sqrt()
        shift = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
        return x * scale[:, None, None] + shift[:, None, None]

    x = step("_conv_stem", "_bn0", x, 2).clamp(0, 6)
    for place, (_, stride, expansion, _) in enumerate(BLOCKS):
        block, before = f"_blocks.{place}", x
        if expansion > 1:
            x = step(f"{block}._expand_conv", f"{block}._bn0", x).clamp(0, 6)
        x = step(f"{block}._depthwise_conv", f"{block}._bn1", x, stride, groups=x.shape[1]).clamp(0, 6)
        x = step(f"{block}._project_conv", f"{block}._bn2", x)
        x = x + before if x.shape == before.shape else x
    x = step("_conv_head", "_bn1", x).clamp(0, 6).mean((2, 3))
    return x, F.linear(x, state["_fc.weight"], state["_fc.bias"])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lite0") / "weights.pth"
    torch.save(random_state(), path)
    return path


def pictures(*sizes: tuple[int, int]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    coarse = [rng.integers(0, 256, (9, 9, 3)).astype(np.uint8) for _ in sizes]
    return [np.asarray(Image.fromarray(one).resize(size, 3)) for one, size in zip(coarse, sizes, strict=True)]


def test_the_network_is_the_published_one(file: Path) -> None:
    network = EfficientNetLite0(file)
    assert sum(one.numel() for one in EfficientNetLite0Network().parameters()) == 4_652_008
    shrunk = [shrink(picture) for picture in pictures((320, 240), (240, 320), (224, 224))]
    embedded, probabilities = network.see(shrunk)
    x = (torch.from_numpy(np.stack(shrunk)).permute(0, 3, 1, 2).double() - 127) / 128
    features, logits = plain({name: value.double() for name, value in random_state().items()}, x)
    np.testing.assert_allclose(embedded, features, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(probabilities, logits.softmax(1), rtol=1e-3, atol=1e-5)
    assert embedded.dtype == probabilities.dtype == np.float32
    assert embedded.std() > 0.05
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (256, 256), (1, 1), (1921, 1079), (900, 20)])
def test_a_picture_is_resized_and_its_middle_taken(size: tuple[int, int]) -> None:
    (picture,) = pictures(size)
    width, height = size
    ratio = 256 / min(size)
    resized = Image.fromarray(picture).resize((int(width * ratio), int(height * ratio)), Image.Resampling.BICUBIC)
    if max(size) / min(size) < 16:
        left, top = (resized.width - 224) / 2, (resized.height - 224) / 2
        expected = np.asarray(resized)[round(top) : round(top) + 224, round(left) : round(left) + 224]
        np.testing.assert_array_equal(shrink(picture), expected)
    assert shrink(picture).shape == (224, 224, 3)


def test_batches_change_nothing_but_the_last_digits(file: Path) -> None:
    some = pictures(*[(300, 200)] * 7)
    whole = EfficientNetLite0(file)(some)
    assert whole.shape == (7, 1280)
    np.testing.assert_array_equal(EfficientNetLite0(file)(some), whole)
    np.testing.assert_allclose(EfficientNetLite0(file, batch=7)(some), whole, rtol=1e-4, atol=1e-5)
    assert EfficientNetLite0(file)([]).shape == (0, 1280)


def test_another_file_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    state = random_state()
    cases = {
        "lacks": {name: value for name, value in state.items() if name != "_fc.bias"},
        "also has": state | {"_blocks.16._expand_conv.weight": torch.zeros(1)},
        "expected shape": state | {"_fc.weight": torch.zeros(10, 1280)},
        "tensors by name": [torch.zeros(1)],
    }
    for reason, content in cases.items():
        torch.save(content, path)
        with pytest.raises(DataError, match=reason) as caught:
            EfficientNetLite0(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="cannot read it"):
        EfficientNetLite0(path)
    with pytest.raises(DataError, match="found none"):
        EfficientNetLite0(tmp_path / "none.pth")


@needs("efficientnet_lite0")
def test_the_published_weights_are_taken_whole_and_know_an_empty_picture_from_noise() -> None:
    network = EfficientNetLite0()
    assert sum(one.numel() for one in network.network.parameters()) < 4_652_008  # normalisations are folded in
    grey, noise = np.full((224, 224, 3), 127, np.uint8), np.random.default_rng(0).integers(0, 256, (224, 224, 3))
    embedded, probabilities = network.see([grey, noise.astype(np.uint8)])
    assert embedded.min() >= 0
    assert embedded.max() <= 6
    assert np.abs(embedded[0] - embedded[1]).max() > 1
    assert probabilities[0].max() < 0.5


@needs("efficientnet_lite0")
@pytest.mark.skipif(not FARM.is_file(), reason=f"Debian's gcompris-qt-data is not installed ({FARM})")
def test_real_photographs_are_named() -> None:
    content, network, named = FARM.read_bytes(), EfficientNetLite0(), {}
    for found in re.finditer(rb"RIFF(....)WEBP", content, flags=re.DOTALL):  # as they lie in Qt's resource file
        size = int.from_bytes(found[1], "little") + 8
        picture = Image.open(io.BytesIO(content[found.start() : found.start() + size])).convert("RGB")
        if min(picture.size) < 224:
            continue
        (row,) = network.see([shrink(np.asarray(picture))])[1]
        named[imagenet_names()[int(row.argmax())]] = float(row.max())
    assert named["hen"] > 0.8
    assert named["German shepherd"] > 0.8
    assert named["goose"] > 0.8
    assert {"Egyptian cat", "tabby", "tiger cat"} & set(named)

"""ResNet-152 and R(2+1)D-18: what they see, here; their true architectures where torchvision loads.

``make test-torchvision`` runs this file in an environment of its own: torchvision does not load beside a CPU torch.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.media.backbones import r2plus1d, resnet152
from leap_avvp.media.backbones.r2plus1d import R2Plus1D18
from leap_avvp.media.backbones.resnet152 import ResNet152


def frames(count: int, height: int = 240, width: int = 320) -> list[np.ndarray]:
    """Return smooth random pictures."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, 6, 8, 3), dtype=np.uint8)
    return [np.asarray(Image.fromarray(one).resize((width, height), Image.Resampling.BICUBIC)) for one in small]


def test_resnet_sees_the_middle_of_256() -> None:
    (one,) = frames(1)
    image = Image.fromarray(one).resize((341, 256), Image.Resampling.BILINEAR)
    left, top = round((341 - 224) / 2), 16  # 58.5 to even: 58
    theirs = np.asarray(image.crop((left, top, left + 224, top + 224)))
    np.testing.assert_array_equal(resnet152.shrink(one), theirs)
    assert resnet152.shrink(frames(1, 500, 90)[0]).shape == (224, 224, 3)


def test_r2plus1d_squeezes_the_whole_picture() -> None:
    (one,) = frames(1)
    theirs = np.asarray(Image.fromarray(one).resize((112, 112), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(r2plus1d.shrink(one), theirs)


def test_eight_frames_are_a_row() -> None:
    some = [r2plus1d.shrink(one) for one in frames(24)]
    found = r2plus1d.stack(some)
    assert found.shape == (3, 3, 8, 112, 112)
    for row, colour, frame in ((0, 0, 0), (1, 2, 3), (2, 1, 7)):
        plain = some[8 * row + frame][..., colour] / 255
        plain = (plain - r2plus1d.KINETICS_NORM[0][colour]) / r2plus1d.KINETICS_NORM[1][colour]
        np.testing.assert_allclose(found[row, colour, frame], plain, atol=1e-5)


def test_without_torchvision_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str, package: str | None = None) -> ModuleType:
        raise ModuleNotFoundError(f"No module named {name!r}", name="torchvision")

    def broken(name: str, package: str | None = None) -> ModuleType:
        raise RuntimeError("operator torchvision::nms does not exist")

    for replaced, message in (
        (absent, r"pip install 'leap-avvp\[torchvision\]'"),
        (broken, "torchvision is installed but does not load beside torch .*nms does not exist"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(importlib, "import_module", replaced)
            for kind in (ResNet152, R2Plus1D18):
                with pytest.raises(ConfigError, match=message):
                    kind(Path("weights.pth"))


# The true architectures


@pytest.fixture(scope="module")
def models() -> ModuleType:
    try:
        import torchvision
    except Exception as error:  # beside another build of torch it raises a RuntimeError
        pytest.skip(f"torchvision does not load here ({type(error).__name__}); `make test-torchvision` has it")
    found: ModuleType = torchvision.models
    return found


@pytest.fixture(scope="module")
def resnet_file(models: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = models.resnet152(weights=None)
    for name, weight in network.named_parameters():  # random ones grow from block to block, trained ones do not
        if name.endswith("bn3.weight"):
            torch.nn.init.constant_(weight, 0.1)
    path = tmp_path_factory.mktemp("resnet") / "resnet152.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def r2plus1d_file(models: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("r2plus1d") / "r2plus1d_18.pth"
    torch.save(models.video.r2plus1d_18(weights=None).state_dict(), path)
    return path


def test_resnet152(models: ModuleType, resnet_file: Path) -> None:
    backbone, some = ResNet152(resnet_file), frames(3)
    rows = backbone(some)
    assert rows.shape == (3, 2048)
    assert rows.dtype == np.float32
    assert rows.min() >= 0
    np.testing.assert_array_equal(rows, backbone(some))
    np.testing.assert_array_equal(rows, backbone.embed([backbone.shrink(one) for one in some]))
    # torchvision's own network and transform of these weights, up to the fully connected layer
    network = models.resnet152(weights=None).eval()
    network.load_state_dict(torch.load(resnet_file, weights_only=True))
    heard: list[torch.Tensor] = []
    network.avgpool.register_forward_hook(lambda _module, _inputs, output: heard.append(output.flatten(1)))
    transform = models.ResNet152_Weights.IMAGENET1K_V1.transforms()
    with torch.inference_mode():
        network(torch.stack([transform(Image.fromarray(one)) for one in some]))
    np.testing.assert_allclose(rows, heard[0].numpy(), rtol=1e-4, atol=1e-4 * float(rows.max()))
    assert models.ResNet152_Weights.IMAGENET1K_V1.url.endswith("resnet152-394f9c45.pth")
    assert backbone([]).shape == (0, 2048)


def test_resnets_older_file_has_no_counts_of_batches(resnet_file: Path, tmp_path: Path) -> None:
    state = torch.load(resnet_file, weights_only=True)
    older = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(older, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    some = frames(1)
    np.testing.assert_array_equal(ResNet152(tmp_path / "old.pth")(some), ResNet152(resnet_file)(some))


def test_r2plus1d_18(models: ModuleType, r2plus1d_file: Path) -> None:
    backbone, some = R2Plus1D18(r2plus1d_file), frames(80)
    rows = backbone(some)
    assert rows.shape == (10, 512)
    assert rows.dtype == np.float32
    assert rows.min() >= 0
    np.testing.assert_array_equal(rows, backbone(some))
    network = models.video.r2plus1d_18(weights=None).eval()
    network.load_state_dict(torch.load(r2plus1d_file, weights_only=True))
    heard: list[torch.Tensor] = []
    network.avgpool.register_forward_hook(lambda _module, _inputs, output: heard.append(output.flatten(1)))
    with torch.inference_mode():
        network(r2plus1d.stack([r2plus1d.shrink(one) for one in some[24:32]]))
    np.testing.assert_allclose(rows[3:4], heard[0].numpy(), rtol=1e-4, atol=1e-5)
    assert models.video.R2Plus1D_18_Weights.KINETICS400_V1.url.endswith("r2plus1d_18-91a641e6.pth")
    assert backbone([]).shape == (0, 512)
    with pytest.raises(DataError, match="expected a multiple of 8 frames, found 81"):
        backbone(frames(81, 8, 8))


def test_another_networks_weights(models: ModuleType, resnet_file: Path, r2plus1d_file: Path) -> None:
    with pytest.raises(DataError, match="expected the weights of ResNet; it lacks"):
        ResNet152(r2plus1d_file)
    with pytest.raises(DataError, match="expected the weights of VideoResNet; it lacks"):
        R2Plus1D18(resnet_file)

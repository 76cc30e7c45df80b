"""ONNX files of a model: onnxruntime says of any number of videos what torch says, and foreign files are refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import leap_avvp
from leap_avvp.cli import main
from leap_avvp.errors import ConfigError
from leap_avvp.inference import export_model
from leap_avvp.inference.onnx_writing import FourAxes
from leap_avvp.inference.parser import PROBABILITIES
from tests.inference.helpers import rows_of

pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")
onnx = pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
runtime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")


@pytest.fixture(scope="module")
def exported(own_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the exported folder of MMIL for three classes and five segments, with both ONNX files."""
    return export_model(own_checkpoint, tmp_path_factory.mktemp("onnx") / "out", onnx=True, int8=True)


def features_of(card: leap_avvp.card.DataCard, videos: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(videos)
    streams = card.features.streams.items()
    return {
        name: rng.standard_normal((videos, card.segments, stream.width), dtype=np.float32) for name, stream in streams
    }


def assert_same(one: leap_avvp.Parser, other: leap_avvp.Parser, tolerance: float = 1e-5) -> None:
    for videos in (1, 2, 5):
        features = features_of(one.card, videos)
        names = [""] * videos
        expected, found = one.parse_segments(features, names), other.parse_segments(features, names)
        assert list(found) == list(expected)
        for name in PROBABILITIES:
            assert found[name].dtype == np.float32
            np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=tolerance, err_msg=name)


def test_mmil_of_two_streams_says_the_same(exported: Path) -> None:
    one, other = leap_avvp.load(exported), leap_avvp.load(exported / "model.onnx")
    assert_same(one, other)
    assert (other.card, other.protocol, other.config_hash) == (one.card, one.protocol, one.config_hash)
    assert other.device.type == "cpu"
    assert repr(other) == repr(one)
    rows = rows_of(one.card, seed=3)
    np.testing.assert_allclose(other.parse(rows).audio, one.parse(rows).audio, rtol=0, atol=1e-5)


def test_leap_says_the_same(llp_checkpoint: Path, tmp_path: Path) -> None:
    folder = export_model(llp_checkpoint, tmp_path / "out", onnx=True)
    assert sorted(path.name for path in folder.iterdir()) == [
        *("README.md", "config.json", "model.onnx", "model.safetensors")
    ]
    assert_same(leap_avvp.load(llp_checkpoint), leap_avvp.load(folder / "model.onnx"))
    assert leap_avvp.load(folder / "model.onnx").trained_on == "simulated"


def test_weights_of_8_bits_say_about_the_same(exported: Path) -> None:
    one, small = leap_avvp.load(exported), leap_avvp.load(str(exported / "model-int8.onnx"))
    assert_same(one, small, tolerance=0.05)
    features = features_of(one.card, 5)
    names = [""] * 5
    assert not np.array_equal(
        one.parse_segments(features, names)["segment_audio_prob"],
        small.parse_segments(features, names)["segment_audio_prob"],
    )
    graph = onnx.load(exported / "model-int8.onnx").graph
    weights = [each for each in graph.initializer if each.data_type == onnx.TensorProto.INT8 and len(each.dims) == 2]
    assert len(weights) == sum(node.op_type == "MatMulInteger" for node in graph.node) > 0
    floats = [each for each in graph.initializer if each.data_type == onnx.TensorProto.FLOAT]
    assert [each.name for each in floats if len(each.dims) > 1] == [], "no matrix of weights stays float32"


@pytest.mark.parametrize("shape", [(6, 5, 4), (2, 3, 5, 4), (2, 3, 2, 5, 4)])
def test_attention_of_any_number_of_axes_is_given_four(shape: tuple[int, ...]) -> None:
    attend = torch.nn.functional.scaled_dot_product_attention
    query, key, value = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(5, 5).tril().bool()
    expected = attend(query, key, value, mask)
    with FourAxes():
        torch.testing.assert_close(attend(query, key, value, mask), expected)


def test_the_file_says_what_it_is_for(exported: Path, own_folder: Path) -> None:
    session = runtime.InferenceSession(str(exported / "model.onnx"))
    content = json.loads(session.get_modelmeta().custom_metadata_map["leap_avvp"])
    plain = json.loads((exported / "config.json").read_text())
    assert {**plain, "format": "leap-avvp/onnx/1", "weights": "float32"} == content
    assert content["config"]["card"]["name"] == "garden"
    assert str(own_folder) not in json.dumps(content)
    assert [(each.name, each.shape) for each in session.get_inputs()] == [
        ("audio", ["videos", 5, 6]),
        ("video_2d", ["videos", 5, 7]),
    ]
    assert [each.name for each in session.get_outputs()] == list(PROBABILITIES)
    page = (exported / "README.md").read_text()
    assert "`model.onnx` and `model-int8.onnx`" in page
    assert "audio (videos, 5, 6), video_2d (videos, 5, 7)" in page


def test_predict_takes_it(exported: Path, own_folder: Path, tmp_path: Path) -> None:
    found = []
    for name in ("", "model.onnx"):
        out = tmp_path / f"out{len(found)}"
        words = ("--data", str(own_folder), "--out", str(out), "--device", "cpu")
        assert main(["predict", "--checkpoint", str(exported / name), *words]) == 0
        found.append(np.load(out / "predictions.npz"))
    assert found[0]["video_id"].tolist() == found[1]["video_id"].tolist()
    for name in PROBABILITIES:
        np.testing.assert_allclose(found[1][name], found[0][name], rtol=0, atol=1e-5)


def test_what_is_replaced_leaves_no_older_onnx(own_checkpoint: Path, exported: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(exported, tmp_path / "out"))
    for name in ("config.json", "model.safetensors", "README.md"):
        (folder / name).unlink()
    with pytest.raises(ConfigError, match=r"holds model\.onnx; choose another folder"):
        export_model(own_checkpoint, folder)
    export_model(own_checkpoint, folder, overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert "ONNX" not in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ["export", "{exported}/model.onnx", "out", "--onnx"],
            "expected a checkpoint or a run's folder",
        ),
        (["export", "{exported}", "out", "--int8"], "--int8: belongs to --onnx"),
        (["predict", "--checkpoint", "nowhere.onnx", "--data", "."], "nowhere.onnx: cannot be read"),
        (["predict", "--checkpoint", "damaged.onnx", "--data", "."], "damaged.onnx: expected an ONNX file"),
        (["predict", "--checkpoint", "foreign.onnx", "--data", "."], "expected a model of the format leap-avvp/onnx/1"),
        (["predict", "--checkpoint", "other.onnx", "--data", "."], "other.onnx: expected the inputs"),
    ],
)
def test_what_is_wrong_is_one_line(
    exported: Path, words: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("damaged.onnx").write_bytes((exported / "model.onnx").read_bytes()[:1000])
    model = onnx.load(exported / "model.onnx")
    content = json.loads(model.metadata_props[0].value)
    content["config"]["card"]["segments"] = content["config"]["card"]["segments"] + 1
    model.metadata_props[0].value = json.dumps(content)
    onnx.save(model, "other.onnx")
    del model.metadata_props[:]
    onnx.save(model, "foreign.onnx")
    assert main([word.format(exported=exported) for word in words]) == 2
    errors = capfd.readouterr().err
    assert text in errors
    assert len(errors.strip().splitlines()) == 1
    assert not Path("out").exists()


def test_without_the_packages_it_says_what_to_install(
    own_checkpoint: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"onnxruntime .*pip install 'leap-avvp\[onnx\]'"):
        export_model(own_checkpoint, tmp_path / "out", onnx=True)
    with pytest.raises(ConfigError, match=r"onnxruntime .*pip install 'leap-avvp\[onnx\]'"):
        leap_avvp.load(exported / "model.onnx")

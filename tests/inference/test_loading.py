"""What ``leap_avvp.load`` reads, and what it refuses; an exported model is the model."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

import leap_avvp
from leap_avvp.errors import ConfigError, DataError, LeapError
from leap_avvp.inference import export_model
from leap_avvp.inference.exported import portable_config
from tests.inference.helpers import MMIL, rows_of, write_checkpoint, write_own


def test_a_plain_import_waits_for_nothing_heavy() -> None:
    code = "import sys, leap_avvp; print({'torch', 'numpy', 'hydra', 'lightning'} & set(sys.modules)); leap_avvp.load"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert set(leap_avvp.__all__) >= {"load", "Parser", "ParseResult", "Event", "__version__"}
    assert leap_avvp.Parser.__module__ == "leap_avvp.inference.parser"
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        leap_avvp.laod  # noqa: B018


@pytest.fixture(params=["llp_checkpoint", "own_checkpoint"])
def checkpoint(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(request.param)
    return path


def test_an_exported_model_says_the_same_to_the_bit(checkpoint: Path, tmp_path: Path) -> None:
    original = leap_avvp.load(checkpoint)
    shutil.copytree(export_model(checkpoint, tmp_path / "out"), tmp_path / "moved")
    for path in (tmp_path / "moved", str(tmp_path / "moved"), tmp_path / "moved" / "model.safetensors"):
        again = leap_avvp.load(path)
        assert again.card == original.card
        assert again.protocol == original.protocol
        assert (again.trained_on, again.config_hash) == (original.trained_on, original.config_hash)
        rows = rows_of(original.card, seed=5)
        one, other = original.parse(rows), again.parse(rows)
        for name in ("audio", "visual", "video", "heard", "seen", "audio_events", "visual_events"):
            assert np.array_equal(getattr(one, name), getattr(other, name))


def test_an_exported_model_is_exported_again(own_checkpoint: Path, tmp_path: Path) -> None:
    one, other = export_model(own_checkpoint, tmp_path / "a"), export_model(tmp_path / "a", tmp_path / "b")
    for name in ("model.safetensors", "config.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_a_run_is_its_best_epoch(own_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    shutil.copy(own_checkpoint, tmp_path / "run" / "checkpoints" / "best.ckpt")
    parser = leap_avvp.load(str(tmp_path / "run"))
    assert parser.source == str(tmp_path / "run" / "checkpoints" / "best.ckpt")
    assert parser.card.name == "garden"


def test_the_users_home_is_found(own_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copy(own_checkpoint, tmp_path / "m.ckpt")
    assert leap_avvp.load("~/m.ckpt").card.name == "garden"


def test_the_protocol_is_that_of_the_training(tmp_path: Path) -> None:
    words = ("protocol=per_modality", "protocol.segment_threshold=0.25")
    parser = leap_avvp.load(write_checkpoint(tmp_path / "m.ckpt", *MMIL, *words))
    assert (parser.protocol.filter, parser.protocol.segment_threshold) == ("per_modality", 0.25)
    again = leap_avvp.load(export_model(tmp_path / "m.ckpt", tmp_path / "out"))
    assert again.protocol == parser.protocol


def test_what_a_model_was_trained_on_is_told_where_it_can_be_known(tmp_path: Path) -> None:
    root = write_own(tmp_path / "data")
    words = (*MMIL, "data=llp", f"data.root={root}", "label_embedding=learnable")
    path = write_checkpoint(tmp_path / "m.ckpt", *words)
    assert leap_avvp.load(path).trained_on == "garden"
    (root / "SIMULATED.txt").touch()
    assert leap_avvp.load(path).trained_on == "simulated"
    shutil.rmtree(root)
    assert leap_avvp.load(path).trained_on is None


def test_no_path_of_the_machine_is_given_away(tmp_path: Path) -> None:
    root = write_own(tmp_path / "data")
    words = [*MMIL, "data=llp", f"data.root={root}", f"data.annotations={root / 'annotations'}"]
    words += ["label_embedding=learnable", f"data.link_store={tmp_path}", "logger=wandb", "logger.entity=somebody"]
    path = write_checkpoint(tmp_path / "m.ckpt", *words)
    parser = leap_avvp.load(path)
    assert str(tmp_path) in json.dumps(parser.config)
    text = json.dumps(portable_config(parser))
    assert not [word for word in (str(tmp_path), "somebody", "root") if word in text]
    for file in export_model(path, tmp_path / "out").iterdir():
        assert str(tmp_path).encode() not in file.read_bytes()
    assert leap_avvp.load(tmp_path / "out").card == parser.card


def test_a_config_is_made_portable_whatever_it_holds(own_checkpoint: Path) -> None:
    parser = leap_avvp.load(own_checkpoint)
    parser.config["data"] = {"pseudo_labels": "mine", "packed": "float16", "root": "data/LLP", "batch_size": 4}
    parser.config["mine"] = {"a": ["/home/me", 1, "~/x", None], "b": r"C:\me", "c": float("inf"), "d": r"\\host\x"}
    config = portable_config(parser)
    assert config["data"] == {"packed": "float16", "batch_size": 4}
    assert config["mine"] == {"a": [1, None], "c": "inf"}
    # AudioSet's names of classes look like paths.
    names = ("/m/09x0r", "/m/05zppz")
    parser.card = dataclasses.replace(parser.card, classes=names, display=names)
    assert portable_config(parser)["card"]["classes"] == dict(zip(names, names, strict=True))


# What is refused

Damage = Callable[[Path], Any]


def edited(**changes: Any) -> Damage:
    def damage(folder: Path) -> None:
        content = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**content, **changes}))

    return damage


def config_with(key: str, value: Any) -> Damage:
    def damage(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())["config"]
        group, _, last = key.rpartition(".")
        (config[group] if group else config)[last] = value
        edited(config=config)(folder)

    return damage


def weights_with(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / "model.safetensors"
        state = {name: tensor.clone() for name, tensor in safetensors.torch.load_file(path).items()}
        path.unlink()
        safetensors.torch.save_file(change(state), path)

    return damage


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda folder: (folder / "config.json").unlink(), r"config\.json: cannot be read"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"model\.safetensors: no such file"),
        (lambda folder: (folder / "config.json").write_text("{"), "expected JSON"),
        (lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe"), "expected JSON"),
        (lambda folder: (folder / "config.json").write_text("[" * 100_000), "expected JSON"),
        (lambda folder: (folder / "config.json").write_text("[1]"), "found no format"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "bert"}'), "found no format"),
        (edited(format="leap-avvp/model/9"), "found the format 'leap-avvp/model/9'"),
        (edited(config=3), "expected a model of the format"),
        (edited(config={}), "expected the group encoder"),
        (config_with("encoder.dim", 32), "encoder.dim and decoder.dim"),
        (config_with("decoder", {"_target_": "leap_avvp.models.MMILDecoder", "dim": 16, "num_classes": 4}), "shape"),
        (config_with("encoder", {"_target_": "os.system", "command": "touch ran"}), "outside the trusted packages"),
        (config_with("card", {"classes": []}), "classes: expected a list of at least one name"),
        (config_with("features", {"name": "x"}), "expected audio, video_2d"),
        (config_with("protocol", None), "protocol: expected a group"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "expected weights as safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 100), "expected weights as safetensors"),
        (
            lambda folder: (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-9]),
            "expected weights as safetensors",
        ),
        (
            lambda folder: (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n"),
            "git lfs pull",
        ),
        (lambda folder: torch.save({"a": torch.ones(1)}, folder / "model.safetensors"), "expected weights as safet"),
        (weights_with(lambda state: {f"x.{name}": value for name, value in state.items()}), "missing frontend"),
        (weights_with(lambda state: {**state, "more": torch.ones(1)}), "unknown more"),
        (weights_with(lambda state: {name: value[:1] for name, value in state.items()}), "has shape"),
        (weights_with(lambda state: {name: value.long() for name, value in state.items()}), "expected floating-point"),
    ],
)
def test_a_damaged_or_foreign_model_is_one_line(
    own_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Damage, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    damage(export_model(own_checkpoint, tmp_path / "out"))
    with pytest.raises(LeapError, match=text) as caught:
        leap_avvp.load("out")
    assert len(str(caught.value).splitlines()) == 1
    assert not Path("ran").exists()


def test_a_config_that_asks_for_terabytes_makes_nothing(own_checkpoint: Path, tmp_path: Path) -> None:
    folder = export_model(own_checkpoint, tmp_path / "out")
    for key in ("encoder.dim", "encoder.feed_forward_dim", "decoder.dim"):
        config_with(key, 40_000)(folder)
    with pytest.raises(LeapError):
        leap_avvp.load(folder)


@pytest.mark.parametrize(("name", "text"), [("nothing", "no such checkpoint file"), (".", "found neither")])
def test_what_is_no_model_is_said(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(DataError, match=text):
        leap_avvp.load(tmp_path / name)


# The hub


@pytest.fixture
def hub(own_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Put a stand-in for ``huggingface_hub`` in place, which holds one model."""
    folder = export_model(own_checkpoint, tmp_path / "held")
    fake = SimpleNamespace(asked=[])

    def download(repo: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        fake.asked.append((repo, revision, sorted(allow_patterns)))
        if repo != "me/garden":
            raise OSError("404 Client Error\n\nRepository Not Found")
        return str(folder)

    fake.snapshot_download = download
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    return fake


def test_a_model_of_the_hub(hub: SimpleNamespace) -> None:
    parser = leap_avvp.load("hub:me/garden")
    assert (parser.source, parser.card.name) == ("hub:me/garden", "garden")
    leap_avvp.load("hub:me/garden@v1.0")
    files = ["config.json", "model.safetensors"]
    assert hub.asked == [("me/garden", None, files), ("me/garden", "v1.0", files)]


def test_what_the_hub_has_not_is_one_line(hub: SimpleNamespace) -> None:
    with pytest.raises(DataError, match=r"hub:me/nothing: cannot be fetched \(OSError: 404 Client Error\)$"):
        leap_avvp.load("hub:me/nothing")
    for place in ("hub:me", "hub:../..", "hub:me/it@", "hub:a/b/c"):
        with pytest.raises(ConfigError, match="expected hub:owner/name"):
            leap_avvp.load(place)
    assert [asked[0] for asked in hub.asked] == ["me/nothing"]


def test_without_the_hubs_package_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r"pip install 'leap-avvp\[hub\]'"):
        leap_avvp.load("hub:me/garden")

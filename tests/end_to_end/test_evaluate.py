"""Scoring a checkpoint, converting weights, and the checkpoints that are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import torch

from leap_avvp.cli import main
from leap_avvp.errors import DataError
from leap_avvp.files import write_json
from leap_avvp.models import HAN, LabelQueries, LEAPDecoder, MMILDecoder, MMPyramid, VideoParser
from leap_avvp.released import to_released
from leap_avvp.training.checkpoint import load_checkpoint, read_checkpoint, save_atomic


@pytest.fixture
def trained(train, tmp_path: Path) -> Path:
    train()
    return tmp_path / "run" / "checkpoints" / "best.ckpt"


def evaluate(checkpoint: Path, *overrides: str, folder: str = "evaluation") -> int:
    return main(["evaluate", f"checkpoint={checkpoint}", f"hydra.run.dir={folder}", "trainer=cpu", *overrides])


def test_a_checkpoint_scores_as_its_run_did(trained):
    assert evaluate(trained) == 0
    expected = json.loads((trained.parents[1] / "metrics.json").read_text())
    found = json.loads(Path("evaluation/evaluation_test.json").read_text())
    assert found["scores"] == pytest.approx(expected["test"])
    assert found["config_hash"] == expected["config_hash"]
    said, again = (np.load(path) for path in ("run/predictions_test.npz", "evaluation/predictions_test.npz"))
    assert all((said[name] == again[name]).all() for name in said)


def test_protocol_and_split_can_be_chosen(trained):
    assert evaluate(trained, "protocol=none", "split=val") == 0
    found = json.loads(Path("evaluation/evaluation_val.json").read_text())
    assert found["protocol"]["name"].startswith("filter=none")
    assert found["split"] == "val"
    assert found["videos"] == 8


def test_naming_the_checkpoints_own_decoder_is_no_other_configuration(trained):
    """Whichever way its layers have started: the weights are the checkpoint's."""
    named = ["decoder=leap", "decoder.dim=32", "decoder.num_heads=4", "decoder.feed_forward_dim=32"]
    assert evaluate(trained, *named, "decoder.init=independent") == 0


def test_a_sweep_over_protocols_is_a_multirun(trained):
    assert main(["evaluate", "-m", f"checkpoint={trained}", "protocol=union,none", "hydra.sweep.dir=sweep"]) == 0
    names = {json.loads(path.read_text())["protocol"]["name"] for path in Path("sweep").rglob("evaluation_test.json")}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (("encoder=mm_pyramid",), "another configuration: encoder"),
        (("decoder.num_blocks=3",), "another configuration: decoder"),
        (("split=train",), "split: expected one of val, test"),
        (("encoder=hann",), "nearest: han"),
    ],
)
def test_another_configuration_is_refused_in_one_line(trained, overrides, text, capsys):
    capsys.readouterr()
    assert evaluate(trained, *overrides) == 2
    errors = capsys.readouterr().err
    assert text in errors
    assert len(errors.strip().splitlines()) == 1
    assert not list(Path("evaluation").glob("evaluation_*.json"))


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def damage(path: Path, kind: str, witness: Path) -> None:
    if kind == "missing":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "payload":
        torch.save({"state_dict": Payload(witness)}, path)
    elif kind == "a list":
        torch.save([1, 2], path)
    elif kind == "foreign":
        torch.save({"weight": torch.zeros(2)}, path)
    elif kind == "weights of another model":
        content = read_checkpoint(path)
        content["state_dict"] = {
            f"parser.{k}": v for k, v in VideoParser(HAN(dim=64), MMILDecoder(64)).state_dict().items()
        }
        torch.save(content, path)


@pytest.mark.parametrize(
    "kind", ["missing", "truncated", "empty", "payload", "a list", "foreign", "weights of another model"]
)
def test_a_damaged_or_hostile_checkpoint_is_one_line(trained, kind, tmp_path, capsys):
    witness = tmp_path / "payload_ran"
    damage(trained, kind, witness)
    capsys.readouterr()
    assert evaluate(trained) == 2
    errors = capsys.readouterr().err
    assert "best.ckpt" in errors
    assert len(errors.strip().splitlines()) == 1
    assert not witness.exists()


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "decoder"), [("han", "mmil"), ("mm_pyramid", "mmil"), ("mm_pyramid", "leap")])
def test_released_weights_become_a_checkpoint_and_come_back(encoder, decoder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    part = HAN() if encoder == "han" else MMPyramid()
    embedding = torch.randn(25, 300)
    head = MMILDecoder() if decoder == "mmil" else LEAPDecoder(LabelQueries(embedding), num_blocks=1)
    parser = VideoParser(part, head).eval()
    released = to_released(parser)
    dead = next(name for name in released if "layer_norm" in name or "audio_encoder" in name)
    released[dead] = torch.rand_like(released[dead])
    torch.save(released, "theirs.pt")
    np.savez("labels.npz", embedding=embedding.numpy())
    words = ["--label-embedding", "labels.npz"] if decoder == "leap" else []
    assert main(["convert", "theirs.pt", "ours.ckpt", *words]) == 0
    assert main(["convert", "ours.ckpt", "back.pt"]) == 0
    back = read_checkpoint(Path("back.pt"))
    assert back.keys() == released.keys()
    assert all(torch.equal(back[name], released[name]) for name in back)
    loaded, config = load_checkpoint(Path("ours.ckpt"))
    assert config["encoder"]["_target_"].lower().endswith(encoder.replace("_", ""))
    state = loaded.state_dict()
    assert all(torch.equal(state[name], value) for name, value in parser.state_dict().items())


def test_converting_leap_without_its_label_vectors_says_what_is_missing(tmp_path, capsys):
    parser = VideoParser(MMPyramid(), LEAPDecoder(LabelQueries(torch.randn(25, 300)), num_blocks=1))
    torch.save(to_released(parser), tmp_path / "theirs.pt")
    assert main(["convert", str(tmp_path / "theirs.pt"), str(tmp_path / "ours.ckpt")]) == 2
    assert "label_embedding" in capsys.readouterr().err
    assert not (tmp_path / "ours.ckpt").exists()


def test_our_own_checkpoint_of_a_model_that_no_program_has_is_not_converted(trained, capsys):
    assert main(["convert", str(trained), "theirs.pt"]) == 2
    assert "no released program has" in capsys.readouterr().err
    assert not Path("theirs.pt").exists()


def test_json_with_nan_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"a": float("nan")}, tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_previous_file(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    save_atomic({"a": torch.ones(1)}, path)
    before = path.read_bytes()

    def full(content: object, target: IO[bytes]) -> None:
        target.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("leap_avvp.training.checkpoint.torch.save", full)
    with pytest.raises(DataError, match="No space left on device"):
        save_atomic({"a": torch.zeros(1)}, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]

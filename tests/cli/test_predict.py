"""``leap-avvp predict``: its predictions are those that ``evaluate`` scores, for LLP and for a card of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leap_avvp.cli import main
from tests.conftest import write_llp
from tests.inference.helpers import LEAP, MMIL, write_checkpoint, write_own, write_videos


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def llp(tmp_path: Path) -> tuple[Path, Path]:
    root = write_llp(tmp_path / "data", train=2, val=3, test=9)
    words = ("data=llp", f"data.root={root}", "label_embedding=simulated", "protocol=per_modality")
    return root, write_checkpoint(tmp_path / "m.ckpt", *LEAP, *words, "+protocol.segment_threshold_audio=0.52")


def own(tmp_path: Path) -> tuple[Path, Path]:
    root = write_own(tmp_path / "data", test=9)
    words = ("data=llp", f"data.root={root}", "label_embedding=learnable")
    return root, write_checkpoint(tmp_path / "m.ckpt", *MMIL, *words)


def predict(checkpoint: Path, root: Path, *words: str) -> int:
    return main(["predict", "--checkpoint", str(checkpoint), "--data", str(root), "--device", "cpu", *words])


def scores_of(file: str) -> dict[str, Any]:
    scores: dict[str, Any] = json.loads(Path(file).read_text())["scores"]
    return scores


@pytest.mark.parametrize("make", [llp, own])
@pytest.mark.parametrize("split", ["test", "val"])
def test_its_predictions_score_as_evaluate_says(make: Any, split: str, tmp_path: Path, capsys: Any) -> None:
    root, checkpoint = make(tmp_path)
    protocol = ["protocol=per_modality", "+protocol.segment_threshold_audio=0.52"] if make is llp else []
    words = [f"checkpoint={checkpoint}", f"split={split}", "hydra.run.dir=evaluation", "trainer=cpu", *protocol]
    assert main(["evaluate", *words]) == 0
    assert predict(checkpoint, root, "--split", split, "--out", "said") == 0
    assert "events heard" in capsys.readouterr().out
    words = ["--predictions", "said/predictions.npz", "--annotations", str(root / "annotations"), "--split", split]
    assert main(["score", *words, "--json", "score.json"]) == 0
    expected = scores_of(f"evaluation/evaluation_{split}.json")
    assert scores_of("score.json") == expected
    assert len(expected) == 15
    assert 0 < expected["average"] < 100
    said, theirs = np.load("said/predictions.npz"), np.load(f"evaluation/predictions_{split}.npz")
    for name in ("audio", "visual", "video"):
        np.testing.assert_array_equal(said[name], theirs[name])


def test_videos_without_labels_need_nothing_but_features(tmp_path: Path, capsys: Any) -> None:
    root, checkpoint = own(tmp_path)
    mine = write_videos(tmp_path / "mine", write_card(root), ["my dog", "my cat"])
    assert predict(checkpoint, mine) == 0
    text = capsys.readouterr().out
    assert "2 videos without annotations (garden data)" in text
    (out,) = Path("predictions").iterdir()
    content = json.loads((out / "events.json").read_text())
    assert [video["video_id"] for video in content["videos"]] == ["my cat", "my dog"]
    assert content["split"] is None


def write_card(root: Path) -> Any:
    from leap_avvp.card.read import read_card

    return read_card(root / "dataset.yaml")


def test_simulated_data_and_models_are_named(tmp_path: Path, capsys: Any) -> None:
    root = write_llp(tmp_path / "data", train=1, val=1, test=2)
    checkpoint = write_checkpoint(tmp_path / "m.ckpt", *LEAP)
    (root / "SIMULATED.txt").touch()
    assert predict(checkpoint, root, "--out", "said") == 0
    assert "(SIMULATED data; a model that was trained on SIMULATED data)" in capsys.readouterr().out


def test_missing_files_are_named_in_the_commands_own_flags(tmp_path: Path, capsys: Any) -> None:
    root, checkpoint = own(tmp_path)
    (root / "feats" / "a" / "test clip 1.npy").unlink()
    assert predict(checkpoint, root, "--out", "said") == 2
    errors = capsys.readouterr().err
    assert "1 of 9 videos without: test clip 1 (no audio); --allow-missing goes on without those videos" in errors
    assert len(errors.strip().splitlines()) == 1
    assert not Path("said").exists()
    assert predict(checkpoint, root, "--out", "said", "--allow-missing", "--batch-size", "3") == 0
    assert "left out, files missing: 1: test clip 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--checkpoint", "nowhere.ckpt"], "nowhere.ckpt: no such checkpoint file"),
        (["--checkpoint", "hub:nobody"], "expected hub:owner/name"),
        (["--card", "nowhere.yaml"], "no such data card"),
        (["--features", "llp"], "a checkpoint of another data card"),
        (["--annotations", "nowhere"], "nowhere: no such folder"),
        (["--device", "abacus"], "device: expected cpu, cuda or auto"),
        (["--packed", "float16"], "packed set"),
        (["--out", "file"], "expected a folder, found a file"),
        (["--unlabelled", "--annotations", "x"], "expected no annotations beside it"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    words: list[str], text: str, tmp_path: Path, capsys: Any
) -> None:
    root, checkpoint = own(tmp_path)
    Path("file").touch()
    before = sorted(tmp_path.rglob("*"))
    assert predict(checkpoint, root, *words) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert text in errors
    assert len(errors.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("words", [[], ["--split", "dev"], ["--split", "test", "--unlabelled"], ["--batch-size", "0"]])
def test_a_wrong_command_line_is_a_usage_error(words: list[str], capsys: Any) -> None:
    given = ["predict", *(["--checkpoint", "m.ckpt", "--data", "x"] if words else []), *words]
    with pytest.raises(SystemExit) as done:
        main(given)
    assert done.value.code == 2
    assert "usage: leap-avvp predict" in capsys.readouterr().err

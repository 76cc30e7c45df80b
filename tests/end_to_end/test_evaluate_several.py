"""Several protocols and both versions of the annotations in one pass, and thresholds chosen on validation videos."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from leap_avvp.cli import main
from leap_avvp.data.annotations import read_annotations
from leap_avvp.metrics import read_protocol, tune_protocol
from leap_avvp.metrics.tuning import TUNED_NOTE
from tests.conftest import write_llp
from tests.inference.helpers import MMIL, write_checkpoint


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``m.ckpt``, of an untrained model, and LLP's layout in ``llp``.

    Two test videos are called as those that differ between the versions of the annotations.
    """
    tmp_path = tmp_path_factory.mktemp("several")
    root = write_llp(tmp_path / "llp", train=1, val=9, test=8)
    names = {"-test_00000_0.5_10.5": "JfZEqeLZqWk_30_40", "_test_00001_1.5_11.5": "KvIjsmANkxI_10_20"}
    for file in (root / "annotations").iterdir():
        text = file.read_text()
        for name, other in names.items():
            lines = [line for line in text.splitlines() if file.name != "AVVP_eval_audio.csv" or name not in line]
            text = "\n".join(lines).replace(name, other) + "\n"
        file.write_text(text)
    audio = root / "annotations" / "AVVP_eval_audio.csv"
    rows = ("JfZEqeLZqWk_30_40\t0\t4\tSpeech", "JfZEqeLZqWk_30_40\t7\t10\tSpeech", "KvIjsmANkxI_10_20\t0\t1\tCat")
    audio.write_text(audio.read_text() + "\n".join(rows) + "\n")
    for name, other in names.items():
        for path in root.rglob(f"{name[:11]}.npy"):
            path.rename(path.with_name(f"{other[:11]}.npy"))
    write_checkpoint(tmp_path / "m.ckpt", *MMIL, "data=llp", f"data.root={root}", "label_embedding=simulated")
    return tmp_path


@pytest.fixture
def checkpoint(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the checkpoint, and work in its folder."""
    monkeypatch.chdir(made)
    return made / "m.ckpt"


def evaluate(checkpoint: Path, *words: str, folder: str, split: str = "test") -> dict[str, Any]:
    given = [f"checkpoint={checkpoint}", f"hydra.run.dir={folder}", "trainer=cpu", f"split={split}", *words]
    assert main(["evaluate", *given]) == 0
    content: dict[str, Any] = json.loads(Path(folder, f"evaluation_{split}.json").read_text())
    return content


def test_one_pass_gives_what_several_give(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("strict", "mixed")
    found = evaluate(
        checkpoint, f"protocols=[{','.join(names)}]", "annotation_versions=[old,corrected]", folder="together"
    )
    printed = capsys.readouterr().out
    assert [(row["label"], row["annotation_version"]) for row in found["results"]] == [
        (name, version) for name in names for version in ("old", "corrected")
    ]
    rows = {(row["label"], row["annotation_version"]): row for row in found["results"]}
    assert found["scores"] == rows["strict", "old"]["scores"]
    for name in names:
        alone = evaluate(checkpoint, f"protocol={name}", folder=f"alone_{name}")
        corrected = rows[name, "corrected"]  # which the folder's file is
        assert corrected["protocol"] == alone["protocol"]
        assert corrected["scores"] == pytest.approx(alone["scores"], abs=1e-10)
        assert alone["protocol"]["name"] in " ".join(printed.split())
        old = rows[name, "old"]["scores"]
        assert old != corrected["scores"]
        (difference,) = [each for each in found["annotation_differences"] if each["label"] == name]
        assert (difference["first"], difference["second"]) == ("old", "corrected")
        for key, value in difference["scores"].items():
            assert value == pytest.approx(old[key] - corrected["scores"][key], abs=1e-12)
            assert value == 0 or "visual" not in key.partition("/")[2].split("_")[0]
    said, theirs = (np.load(f"{folder}/predictions_test.npz") for folder in ("together", "alone_strict"))
    assert all((said[name] == theirs[name]).all() for name in said)


def test_thresholds_are_chosen_on_val_whatever_is_scored(checkpoint: Path) -> None:
    tuned = evaluate(checkpoint, "protocol=tuned", folder="tuned")
    assert TUNED_NOTE in tuned["protocol"]["name"]
    assert tuned["tuned"]["tuned"]["objective"] == "segment/type_av", "what picks the epoch"
    written = read_protocol("tuned/protocol_tuned.yaml")
    assert tuned["protocol"]["video_threshold_visual"] == list(written.video_threshold_visual)  # type: ignore[arg-type]
    assert len(set(written.video_threshold_visual)) > 1  # type: ignore[arg-type]

    assert main(["predict", "--checkpoint", str(checkpoint), "--data", "llp", "--split", "val", "--out", "said"]) == 0
    said = np.load("said/predictions.npz")
    out = {name: torch.from_numpy(said[name]) for name in said.files if name.endswith("_prob")}
    truth = read_annotations("llp/annotations")[0]["val"]
    names = truth.filenames if said["video_id"][0] in truth.filenames else truth.video_ids
    place = [names.index(name) for name in said["video_id"]]
    assert tune_protocol(out, *(torch.from_numpy(grid[place]) for grid in (truth.audio, truth.visual))) == written

    again = evaluate(checkpoint, "protocol=from_file", "protocol.path=tuned/protocol_tuned.yaml", folder="again")
    assert again["scores"] == tuned["scores"]
    assert again["protocol"] == tuned["protocol"]
    val = evaluate(checkpoint, "protocols=[tuned/protocol_tuned.yaml,tuned]", folder="val", split="val")
    assert val["results"][0]["scores"] == val["results"][1]["scores"]
    assert val["results"][1]["protocol"]["name"].endswith(f"{TUNED_NOTE}: these numbers are of those very videos")
    assert read_protocol("val/protocol_tuned.yaml") == written


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("protocols=[union,mixd]",), "protocols: expected .*'mixd'; did you mean mixed?"),
        (("protocols=[union]", "protocol.video_threshold=0.4"), "found protocol.video_threshold too"),
        (("data=simulated", "annotation_versions=[old]"), "which have two, found simulated videos"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line(
    words: tuple[str, ...], text: str, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ("data.num_train=1", "data.num_val=1", "data.num_test=2") if "data=simulated" in words else ()
    assert main(["evaluate", f"checkpoint={checkpoint}", "hydra.run.dir=refused", "trainer=cpu", *words, *small]) == 2
    line = capsys.readouterr().err
    assert len(line.strip().splitlines()) == 1
    assert re.search(text, line), line
    assert not list(Path("refused").glob("evaluation_*.json"))

"""``leap-avvp export``: three files that say all, with the scores of the run and no more than is known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import leap_avvp
from leap_avvp.card import LLP
from leap_avvp.cli import main
from tests.inference.helpers import LEAP, MMIL, rows_of, write_checkpoint, write_own

NAMES = ("audio", "visual", "audio_visual", "type_av", "event_av")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return the folder of a run on simulated videos that has ended, with made-up scores."""
    folder = tmp_path / "run"
    checkpoint = write_checkpoint(folder / "checkpoints" / "best.ckpt", *LEAP, "seed=3")
    scores = {f"{level}/{name}": 10.0 + place for level in ("segment", "event") for place, name in enumerate(NAMES)}
    write_metrics(folder, leap_avvp.load(checkpoint).config, scores | {"average": 12.34})
    return folder


def write_metrics(folder: Path, config: dict[str, Any], scores: dict[str, float], source: str = "simulated") -> None:
    content = {
        **{"format": "leap-avvp/metrics/1", "data_source": source, "data": {"root": "/home/me/secret"}, "seed": 3},
        **{"config_hash": "0", "config": dict(config), "versions": {"torch": "2.x"}, "device": "cpu"},
        **{"protocol": {"name": "filter=union, said so"}, "wall_time_s": {}, "epochs": 4, "best_epoch": 2},
        **{"validation": {}, "test": scores, "untrained": None, "parameters": {}},
    }
    (folder / "metrics.json").write_text(json.dumps(content))


def front_matter(page: Path) -> dict[str, Any]:
    _, head, _ = page.read_text().split("---\n", 2)
    content: dict[str, Any] = yaml.safe_load(head)
    return content


def test_a_run_becomes_a_folder_that_says_all(run: Path, capsys: Any) -> None:
    assert main(["export", str(run), "out", "--license", "cc-by-4.0"]) == 0
    assert "leap_avvp.load('out') reads it" in capsys.readouterr().out
    assert sorted(path.name for path in Path("out").iterdir()) == ["README.md", "config.json", "model.safetensors"]
    page = Path("out/README.md")
    head = front_matter(page)
    assert (head["license"], head["library_name"]) == ("cc-by-4.0", "leap-avvp")
    assert "license_name" not in head
    text = page.read_text()
    assert "| segment | 10.0 | 11.0 | 12.0 | 13.0 | 14.0 |" in text
    assert "Average 12.3. F-scores in percent, seed 3, protocol `filter=union, said so`." in text
    assert "Trained on SIMULATED data" in text
    assert "SIMULATED data: not comparable" in text
    assert "best of 4 epochs: 2" in text
    assert "/home/me" not in text
    assert all(f"`{name}`" in text for name in LLP.classes)
    rows = rows_of(LLP)
    one, other = (leap_avvp.load(path).parse(rows) for path in (run, "out"))
    assert np.array_equal(one.audio, other.audio)
    assert leap_avvp.load("out").trained_on == "simulated"


def test_without_a_licence_the_page_leaves_it_open(run: Path) -> None:
    assert main(["export", str(run), "out"]) == 0
    head = front_matter(Path("out/README.md"))
    assert (head["license"], head["license_name"]) == ("other", "unknown")
    assert "simulated" in head["tags"]


def test_scores_of_another_run_or_epoch_are_not_taken(run: Path) -> None:
    shutil.copy(run / "checkpoints" / "best.ckpt", run / "checkpoints" / "last.ckpt")
    assert main(["export", str(run / "checkpoints" / "last.ckpt"), "last"]) == 0
    config = leap_avvp.load(run).config
    write_metrics(run, {**config, "seed": 4}, {"average": 99.9})
    assert main(["export", str(run), "other"]) == 0
    (run / "metrics.json").write_text("{")
    assert main(["export", str(run), "damaged"]) == 0
    for folder in ("last", "other", "damaged"):
        text = Path(folder, "README.md").read_text()
        assert "None were measured" in text
        assert "12.3" not in text


def test_a_page_of_real_data_has_no_warning_and_its_own_classes(tmp_path: Path) -> None:
    root = write_own(tmp_path / "data")
    words = ("data=llp", f"data.root={root}", "label_embedding=learnable")
    checkpoint = write_checkpoint(tmp_path / "m.ckpt", *MMIL, *words)
    assert main(["export", str(checkpoint), "out"]) == 0
    text = Path("out/README.md").read_text()
    assert "SIMULATED" not in text
    assert "`Bird song` (birdsong), `Rain`, `Lawn_mower` (lawn mower)" in text
    assert "| `video_2d` | `feats/v` | (any, 7) | pool |" in text
    assert 'parser.parse({"audio": audio, "video_2d": video_2d})' in text
    assert str(tmp_path) not in text


def test_a_model_is_replaced_only_when_asked(run: Path, capsys: Any) -> None:
    Path("out").mkdir()
    Path("out/README.md").write_text("mine")
    Path("out/other.txt").write_text("kept")
    assert main(["export", str(run), "out"]) == 2
    assert "out: holds README.md; choose another folder, or replace it with --overwrite" in capsys.readouterr().err
    assert Path("out/README.md").read_text() == "mine"
    assert not Path("out/config.json").exists()
    assert main(["export", str(run), "out", "--overwrite"]) == 0
    assert main(["export", str(run), "out", "--overwrite"]) == 0
    assert leap_avvp.load("out").card == LLP
    assert Path("out/other.txt").read_text() == "kept"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nowhere.ckpt", "out"], "nowhere.ckpt: no such checkpoint file"),
        (["damaged.ckpt", "out"], "damaged.ckpt: expected a file of plain tensors"),
        (["run", "file"], "file: expected a folder, found a file"),
        (["run", "out", "--license", "my own\nlicense: x"], "licence: expected an identifier"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(run: Path, words: list[str], text: str, capsys: Any) -> None:
    Path("file").touch()
    Path("damaged.ckpt").write_bytes(b"\x80\x02.")
    assert main(["export", *words]) == 2
    errors = capsys.readouterr().err
    assert text in errors
    assert len(errors.strip().splitlines()) == 1
    assert not Path("out").exists()

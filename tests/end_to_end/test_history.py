"""Each run keeps its epochs in ``history.csv``, whatever its logger."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leap_avvp.scoring.per_video import PER_VIDEO_FILE, read_per_video
from leap_avvp.training.history import History


def test_a_row_an_epoch_and_the_scores_of_each_video(train: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    result = train("logger=none", "data.batch_size=8")
    with (tmp_path / "run" / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert [row["step"] for row in rows] == ["2", "5"]
    assert float(rows[result["best_epoch"] - 1]["val/segment/type_av"]) == pytest.approx(
        result["validation"]["segment/type_av"], abs=1e-3
    )
    assert float(rows[1]["train/loss/total"]) < float(rows[0]["train/loss/total"])
    videos = read_per_video(tmp_path / "run" / PER_VIDEO_FILE)
    for name, value in result["test"].items():
        assert videos.values(name).mean() == pytest.approx(value, abs=1e-9), name


def test_a_damaged_history_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("epoch,step\nnonsense,1\n0,3\n")
    assert [row["epoch"] for row in History(path)._read()] == ["0"]

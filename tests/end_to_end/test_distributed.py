"""Two processes under torchrun: every video is scored once, and one of them writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from leap_avvp.cli import main
from tests.processes import PATIENCE


@pytest.mark.slow
def test_two_processes_train_and_score_every_video_once(tmp_path: Path, small: list[str]) -> None:
    run = tmp_path / "run"
    words = [
        *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "leap_avvp", "train"),
        *small,
        *("data.num_test=21", "trainer.devices=2", "trainer.strategy=ddp", f"hydra.run.dir={run}"),
    ]
    done = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, check=False, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("written:") == 1
    assert "sync_dist" not in done.stderr
    result = json.loads((run / "metrics.json").read_text())
    with np.load(run / "predictions_test.npz") as predictions:
        ids = predictions["video_id"].tolist()
    assert len(ids) == len(set(ids)) == 21
    # One process alone scores the same checkpoint the same.
    alone = tmp_path / "alone"
    words = [f"checkpoint={run / 'checkpoints' / 'best.ckpt'}", "trainer=cpu", f"hydra.run.dir={alone}"]
    assert main(["evaluate", *words]) == 0
    scores = json.loads((alone / "evaluation_test.json").read_text())["scores"]
    assert scores == pytest.approx(result["test"], abs=1e-9)
    with np.load(alone / "predictions_test.npz") as predictions:
        assert predictions["video_id"].tolist() == ids, "the order of the annotation file, however many processes"

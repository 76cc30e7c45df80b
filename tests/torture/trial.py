"""What a trial needs: how many there are, a tiny training, and what a run has left."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from leap_avvp.training.checkpoint import read_checkpoint

ALL = bool(os.environ.get("LEAP_AVVP_TORTURE"))
# 6 epochs of 4 steps on a narrow model; saved every second step too.
TINY = (
    *("encoder=han", "encoder.dim=16", "encoder.num_heads=1", "encoder.feed_forward_dim=16", "decoder.dim=16"),
    *("decoder.num_heads=2", "decoder.feed_forward_dim=16", "data.batch_size=8", "trainer=cpu", "logger=none"),
    *("data.num_train=32", "data.num_val=8", "data.num_test=8", "data.schedule.max_epochs=6"),
    *("callbacks.progress=line", "callbacks.checkpoint_every_n_steps=2"),
)


def trials(many: int, few: int) -> range:
    """Return the seeds of the trials: ``many`` of them for ``make torture``, ``few`` in CI."""
    return range(many if ALL else few)


def left_by(folder: Path) -> dict[str, Any]:
    """Return the results of a run, without times and the folder's own name."""
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["wall_time_s"], metrics["config"]["output_dir"], metrics["config"]["name"], metrics["config"]["group"]
    state = read_checkpoint(folder / "checkpoints" / "best.ckpt")["state_dict"]
    return {
        "metrics": metrics,
        "weights": {name: tensor.numpy().tobytes() for name, tensor in state.items()},
        "history": (folder / "history.csv").read_text(),
        "predictions": (folder / "predictions_test.npz").read_bytes(),
    }


def assert_clean(folder: Path) -> None:
    """Assert that nothing is left of what was interrupted but what a ``kill -9`` in the middle of a write leaves."""
    assert not list(folder.rglob("last.ckpt"))
    assert not list(folder.rglob(".best-before.ckpt"))


def progress_of(log: Path) -> str:
    """Return how far a killed run had come, from what it had printed."""
    text = log.read_text(errors="replace")
    epochs = re.findall(r"^epoch +(\d+)/", text, flags=re.MULTILINE)
    if "written:" in text:
        return "at its very end"
    if epochs:
        return f"after epoch {epochs[-1]}"
    return "first epoch" if "data: " in text else "start-up"

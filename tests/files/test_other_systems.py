"""Commands on a system that lacks what only POSIX or Linux has: it is taken away, as no such system is at hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TAKEN_AWAY = """
import os, signal, sys, types
whole = types.SimpleNamespace(**vars(signal))
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
del os.sched_getaffinity, os.sysconf, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGQUIT
if "train" in sys.argv:
    from lightning.pytorch.trainer.connectors import signal_connector
    signal_connector.signal = whole  # Lightning asks platform.system() what it may use
from leap_avvp.cli import main
sys.exit(main(sys.argv[1:]))
"""
TINY = (
    *("encoder=han", "trainer=cpu", "trainer.max_epochs=1", "data.batch_size=4"),
    *("data.num_train=8", "data.num_val=3", "data.num_test=3", "encoder.dim=32", "encoder.feed_forward_dim=32"),
    *("decoder.dim=32", "logger=none"),
)


def leap_avvp(folder: Path, *words: str) -> str:
    """Run a command there; return what it prints."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HOME": str(folder)}
    command = [sys.executable, "-c", TAKEN_AWAY, *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_help_is_shown(tmp_path: Path) -> None:
    assert "reproduce" in leap_avvp(tmp_path, "--help")


def test_a_study_is_planned(tmp_path: Path) -> None:
    assert "[1/3]" in leap_avvp(tmp_path, "reproduce", "table6", "--dry-run")


@pytest.mark.slow
def test_a_run_is_trained_and_lets_go_of_its_folder(tmp_path: Path) -> None:
    leap_avvp(tmp_path, "train", *TINY, "hydra.run.dir=run")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["epochs"] == 1
    assert not (tmp_path / "run" / ".writer").exists()

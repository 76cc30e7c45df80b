"""Loggers: what W&B's offline files hold, one run a job, and the mode that is chosen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leap_avvp.cli import main
from leap_avvp.errors import ConfigError
from leap_avvp.loggers import wandb_mode

WORDS = (
    *("encoder=han", "encoder.dim=32", "encoder.feed_forward_dim=32", "decoder=mmil", "decoder.dim=32"),
    *("data.num_train=16", "data.num_val=4", "data.num_test=4", "data.batch_size=8", "data.schedule.max_epochs=1"),
    *("trainer=cpu", "trainer.log_every_n_steps=1"),
)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_no_key_means_offline_in_one_line(offline):
    mode, line = wandb_mode("auto")
    assert mode == "offline"
    assert "no API key" in line
    assert "\n" not in line


def test_no_network_means_offline(offline, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("socket.create_connection", lambda *_, **__: (_ for _ in ()).throw(OSError("refused")))
    mode, line = wandb_mode("auto")
    assert mode == "offline"
    assert "127.0.0.1 cannot be reached" in line


def test_a_mode_that_is_asked_for_is_obeyed(offline, monkeypatch):
    assert wandb_mode("disabled")[0] == "disabled"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb_mode("auto")[0] == "disabled"
    with pytest.raises(ConfigError, match="did you mean 'offline'"):
        wandb_mode("ofline")


def records(folder: Path) -> dict[str, list[object]]:
    """Read a run's offline file back with W&B's own reader."""
    import subprocess
    import sys

    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    wandb = str(Path(sys.executable).with_name("wandb"))
    done = subprocess.run(
        [wandb, "leet", "inspect", "--json", str(file)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[object]] = {}
    for line in done.stdout.splitlines():
        record = json.loads(line)
        for kind, content in record.items():
            found.setdefault(kind, []).append(content)
    return found


@pytest.mark.slow
def test_a_sweep_is_one_group_of_runs_each_with_its_config_terms_and_scores(offline, capsys):
    words = ["-m", *WORDS, "logger=wandb", "group=sweep", "seed=0,1", "hydra.sweep.dir=sweep"]
    assert main(["train", *words]) == 0
    assert capsys.readouterr().out.count("W&B: offline") == 2
    folders = [path.parent for path in Path("sweep").rglob("metrics.json")]
    assert len(folders) == 2
    texts = [json.dumps(records(folder)) for folder in folders]
    for text in texts:
        assert '"sweep"' in text
        for term in ("video_audio", "video_visual", "video_union", "segment_audio", "segment_visual", "avss", "total"):
            assert f"train/loss/{term}" in text
        for name in ("val/segment/type_av", "test/event/event_av", "test/average"):
            assert name in text
        assert "num_train" in text
    ids = [next(folder.glob("wandb/offline-run-*")).name.rpartition("-")[2] for folder in folders]
    assert len(set(ids)) == 2


def test_csv_has_terms_and_scores(offline):
    assert main(["train", *WORDS, "logger=csv", "hydra.run.dir=run"]) == 0
    header = Path("run/csv/metrics.csv").read_text().splitlines()[0]
    assert {"train/loss/total", "val/segment/type_av", "test/average"} <= set(header.split(","))


def test_tensorboard_writes_events(offline):
    pytest.importorskip("tensorboard")
    assert main(["train", *WORDS, "logger=tensorboard", "hydra.run.dir=run"]) == 0
    assert list(Path("run/tensorboard").glob("events.out.tfevents.*"))

"""The package from Python, as a notebook or somebody's own program uses it."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import warnings
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from torch.utils.data import DataLoader

from leap_avvp.cli import main
from leap_avvp.config import Parts, TrainingJob, compose_job
from leap_avvp.data.datamodule import simulated_data
from leap_avvp.errors import ConfigError
from leap_avvp.models import HAN, MMILDecoder, VideoParser
from leap_avvp.scoring.predictions import read_predictions
from leap_avvp.training import ParsingModule, load_checkpoint, run


def quiet_trainer() -> lightning.Trainer:
    return lightning.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)


def test_a_composed_job_trains_as_the_command_does(train, small, tmp_path):
    told = train(folder="command")
    result = run(compose_job(small, tmp_path / "python"))
    assert result == json.loads((tmp_path / "python" / "metrics.json").read_text())
    for key in ("config_hash", "validation", "test", "best_epoch"):
        assert result[key] == told[key], key
    assert (tmp_path / "python" / ".hydra" / "overrides.yaml").read_text().splitlines() == [f"- {w}" for w in small]


def test_a_second_run_in_the_same_process_is_like_the_first(small, tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    first = run(compose_job(small, tmp_path / "first"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        second = run(compose_job(small, tmp_path / "second"))
    assert second["test"] == first["test"]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert not GlobalHydra.instance().is_initialized()
    again = run(compose_job([*small, "seed=1"], tmp_path / "third"))
    assert again["seed"] == 1
    assert run(compose_job(small, tmp_path / "first")) == first, "finished before, and not trained again"


def test_two_runs_of_one_process_are_two_runs_of_wandb(small, no_wandb_key, offline_runs):
    words = [word for word in small if word != "logger=none"]
    for name in ("first", "second"):
        run(compose_job([*words, "logger=wandb", "logger.mode=offline", f"name={name}"], name))
    (first,), (second,) = offline_runs(Path("first")), offline_runs(Path("second"))
    assert (first.name, second.name) == ("first", "second")
    assert first.id != second.id
    assert (first.exit_code, second.exit_code) == (0, 0)


def test_the_folder_is_the_commands_or_the_one_that_is_named(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = compose_job(small)
    assert isinstance(job, TrainingJob)
    assert job.output_dir.parent == tmp_path / "outputs" / "train"
    assert compose_job(small).output_dir != job.output_dir, "two jobs never share one"
    assert compose_job([*small, "hydra.run.dir=mine"]).output_dir == tmp_path / "mine"
    assert compose_job(small, "text").output_dir == compose_job(small, Path("text")).output_dir == tmp_path / "text"
    assert list(tmp_path.iterdir()) == [], "nothing is written before the run"


def test_a_job_is_plain_python(small):
    def check(node: object) -> None:
        assert not OmegaConf.is_config(node)
        for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            check(value)

    check(compose_job(small).content)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("encoder=hann", "nearest: han"),
        ("optimizer.lr=abc", "optimizer.lr: expected a number"),
        ("seed=1,2", "multirun"),
        ("seed=-1", "seed: expected a whole number"),
    ],
)
def test_a_mistake_is_an_error_of_one_line(word, text, small):
    with pytest.raises(ConfigError, match=text) as caught:
        compose_job([*small, word])
    assert len(str(caught.value).splitlines()) == 1


def test_a_program_that_has_a_hydra_of_its_own_keeps_it(small, tmp_path):
    (tmp_path / "own.yaml").write_text("mine: 1\n")
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        assert compose_job(small).parts.content["encoder"]["dim"] == 32
        with pytest.raises(ConfigError, match="nearest"):
            compose_job(["encodr=han"])
        from hydra import compose

        assert compose("own").mine == 1


def test_trainer_predict_gives_plain_predictions_of_each_video(small, tmp_path):
    job = compose_job([*small, "protocol.segment_threshold=0.2", "protocol.video_threshold=0.2"], tmp_path)
    run(job)
    parser, config = load_checkpoint(str(tmp_path / "checkpoints" / "best.ckpt"))
    parts = Parts(config)
    module = ParsingModule(parser, protocol=parts.protocol())
    batches = quiet_trainer().predict(module, datamodule=parts.data())
    names, audio, visual = read_predictions(tmp_path / "predictions_test.npz")
    assert [name for batch in batches for name in batch["video_id"]] == names
    assert np.array_equal(torch.cat([batch["audio"] for batch in batches]).numpy(), audio)
    assert np.array_equal(torch.cat([batch["visual"] for batch in batches]).numpy(), visual)
    for batch in batches:
        assert {type(value) for name, value in batch.items() if name != "video_id"} == {torch.Tensor}
        assert torch.equal(batch["video"], batch["video_prob"] >= 0.2)
        assert torch.equal(batch["audio"], (batch["segment_audio_prob"] >= 0.2) & batch["video"][:, None])


def test_trainer_predict_takes_several_loaders_of_videos_without_labels():
    parser = VideoParser(HAN(16, feed_forward_dim=16), MMILDecoder(16))
    features = {
        "audio": torch.rand(1, 10, 128),
        "video_2d": torch.rand(1, 80, 2048),
        "video_3d": torch.rand(1, 10, 512),
    }
    names = ("abcdefghi12", "abcdefghi13")
    loaders = [DataLoader([{**features, "video_id": [name]}], batch_size=None) for name in names]
    first, second = quiet_trainer().predict(ParsingModule(parser), loaders)
    assert [batch["video_id"] for batch in (*first, *second)] == [[name] for name in names]
    assert first[0]["audio"].shape == (1, 10, 25)
    assert torch.equal(first[0]["segment_audio_prob"], second[0]["segment_audio_prob"])


def test_the_checkpoint_of_a_fresh_run_is_read_by_plain_torch(small, tmp_path):
    run(compose_job([*small, "callbacks.keep_last=true"], tmp_path))
    parser, _ = load_checkpoint(tmp_path / "checkpoints" / "best.ckpt")
    for name in ("best.ckpt", "last.ckpt"):
        content = torch.load(tmp_path / "checkpoints" / name, weights_only=True)
        own = {key.removeprefix("parser."): value for key, value in content["state_dict"].items()}
        assert own.keys() == parser.state_dict().keys()


def test_what_the_readme_shows_runs(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## From Python") :]
    blocks = re.findall(r"```python\n(.*?)```", section[: section.index("## Development")], re.DOTALL)
    videos = simulated_data(num_train=2, num_val=1, num_test=1)
    batch, truth = videos.dataset("train")[[0, 1]], videos.dataset("test")[[0]]
    names = {"batch": batch, **{name: batch[name] for name in ("audio", "video_2d", "video_3d")}}
    names |= {name: truth[name].expand(2, -1, -1) for name in ("target_audio", "target_visual")}
    for block in blocks:
        exec(block.replace('["encoder=han", "trainer=cpu"]', repr(small)), names)
    assert names["result"]["test"].keys() == names["metrics"].compute().keys()
    assert sum(len(each["video_id"]) for each in names["batches"]) == 8
    assert torch.isfinite(names["terms"]["total"])


def test_a_program_that_calls_the_command_keeps_its_command_line_and_environment(small, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["my-program", "--mine"])
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    assert main(["train", *small, f"hydra.run.dir={tmp_path / 'run'}"]) == 0
    assert main(["train", "encodr=han"]) == 2
    assert sys.argv == ["my-program", "--mine"]
    assert "HYDRA_FULL_ERROR" not in os.environ

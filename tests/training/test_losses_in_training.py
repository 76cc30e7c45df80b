"""Losses in a run: what they see of the training split, what they draw, and the two runs of JoMoLD."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from leap_avvp.config import compose_job
from leap_avvp.errors import ConfigError
from leap_avvp.files.interrupts import Stopped
from leap_avvp.losses import RemoveNoisyLabels, SumOfTerms
from leap_avvp.losses.noise import noise_ratios, read_noise_ratios
from leap_avvp.training import ParsingModule, load_checkpoint, run
from leap_avvp.training.checkpoint import read_checkpoint
from leap_avvp.training.noise import NoiseRatios

SMALL = (
    *("encoder=han", "encoder.dim=16", "encoder.feed_forward_dim=16", "decoder.dim=16", "data.batch_size=8"),
    *("data.num_train=20", "data.num_val=4", "data.num_test=4", "data.schedule.max_epochs=2"),
    *("trainer=cpu", "logger=none", "callbacks.progress=none"),
)
LEAP = ("decoder.num_heads=2", "decoder.feed_forward_dim=16")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(folder / "checkpoints" / "best.ckpt")["state_dict"]


def test_mixup_and_frequencies_are_the_same_after_a_resume(tmp_path, monkeypatch):
    words = [*SMALL, *LEAP, "loss=leap_uwav", "data.pseudo_labels=uwav"]
    seen: list[float] = []
    original = SumOfTerms.relabel

    def relabel(loss, batch, parser):
        seen.append(loss.progress)
        return original(loss, batch, parser)

    monkeypatch.setattr(SumOfTerms, "relabel", relabel)
    whole = run(compose_job(words, tmp_path / "whole"))
    assert seen == [pytest.approx(step / 3) for step in range(6)]  # 3 steps an epoch
    step, calls = ParsingModule.training_step, []

    def stopping(module, batch, index):
        calls.append(index)
        if len(calls) == 5:
            signal.raise_signal(signal.SIGTERM)
        return step(module, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(ParsingModule, "training_step", stopping)
        with pytest.raises(Stopped):
            run(compose_job(words, tmp_path / "parts"))
    resumed = run(compose_job(words, tmp_path / "parts"))
    assert seen[-1] == pytest.approx(5 / 3)
    assert resumed["test"] == whole["test"]
    left, right = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    """Return the folder of JoMoLD's first run."""
    folder = tmp_path_factory.mktemp("jomold") / "first"
    words = ["loss=jomold", "loss.relabel=null", "callbacks=noise_ratios", "callbacks.progress=none"]
    job = compose_job([*SMALL, "decoder=mmil", "data.pseudo_labels=none", "+encoder.cross=false", *words], folder)
    run(job)
    return folder


def test_a_training_leaves_the_noise_ratios_of_its_best_weights(first):
    found = read_noise_ratios(first / "noise_ratios.npz", 25)
    parser, _ = load_checkpoint(first / "checkpoints" / "best.ckpt")
    job = compose_job([*SMALL, "decoder=mmil", "data.pseudo_labels=none"])
    videos = job.parts.data().dataset("train")
    with torch.no_grad():
        out = parser.eval()(**videos[list(range(20))])
    label = videos.tensors["video_label"].numpy()
    for name, threshold in (("audio", 0.6), ("visual", 1.8)):
        target = videos.tensors[f"video_{name}"].numpy()
        expected = noise_ratios(out[f"{name}_prob"].numpy(), target, label, threshold)
        assert np.array_equal(found[name], expected), name
    assert found["visual"].any()


def test_the_second_run_takes_them_and_removes_labels_from_its_second_epoch_on(first, tmp_path, monkeypatch):
    changed: list[bool] = []
    original = RemoveNoisyLabels.__call__

    def counting(relabel, batch, parser, progress):
        found = original(relabel, batch, parser, progress)
        changed.append(any(not torch.equal(found[f"video_{m}"], batch[f"video_{m}"]) for m in ("audio", "visual")))
        return found

    monkeypatch.setattr(RemoveNoisyLabels, "__call__", counting)
    ratios = f"loss.relabel.noise_ratios={first / 'noise_ratios.npz'}"
    result = run(
        compose_job([*SMALL, "decoder=mmil", "data.pseudo_labels=none", "loss=jomold", ratios], tmp_path / "b")
    )
    assert changed[:3] == [False] * 3
    assert len(changed) == 6
    assert any(changed[3:])
    assert np.isfinite(result["test"]["segment/type_av"])


def test_the_second_run_needs_the_file(tmp_path):
    with pytest.raises(ConfigError, match=r"loss\.relabel\.noise_ratios"):
        run(compose_job([*SMALL, "decoder=mmil", "data.pseudo_labels=none", "loss=jomold"], tmp_path / "run"))


@pytest.mark.parametrize("value", [0, -1, True, "2", float("nan")])
def test_a_threshold_that_is_none_is_named(value):
    with pytest.raises(ConfigError, match=r"callbacks\.noise_ratios\.visual_threshold"):
        NoiseRatios(visual_threshold=value)

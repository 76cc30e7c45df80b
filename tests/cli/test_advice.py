"""What Hydra advises reaches whoever typed the command, in one line; what Hydra takes silently is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from leap_avvp.cli import main

TINY = (
    *("encoder=han", "encoder.dim=32", "encoder.feed_forward_dim=32", "decoder=mmil", "decoder.dim=32"),
    *("data.num_train=8", "data.num_val=4", "data.num_test=4", "data.schedule.max_epochs=1"),
    *("trainer=cpu", "logger=none", "hydra.run.dir=run"),
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the one line in which a command is refused."""
    capsys.readouterr()
    assert main(list(words)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("error: ")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["seed=1,2"], "seed=1,2: several values for one run; add -m (--multirun) to run each"),
        (["seed=1,2"], "a list as seed=[1,2], a text as seed='\"1,2\"'"),
        (["encoder=han,mm_pyramid"], "add -m (--multirun)"),
        (["seed=range(1,3)"], "seed=range(1,3): several values for one run; add -m (--multirun)"),
        (["+seed=1"], "+seed=1: seed is in the config already; write seed=1, or ++seed=1"),
        (["+encoder=han"], "+encoder=han: encoder is chosen already; write encoder=han"),
        (["optimizer.eps=1e-7"], "optimizer.eps: no such key; nearest: optimizer"),
        (["optimizer.betas=[0.9,0.98]"], "this key belongs to optimizer=uwav and optimizer=valor, not chosen here"),
        (["optimizer.betas=[0.9,0.98]"], "; +optimizer.betas=[0.9,0.98] adds it"),
        (["loss.avs_weight=1"], "nearest: loss.avss_weight"),
        (["hydra.run.dirr=x"], "hydra.run.dirr: no such key; nearest: hydra.run.dir,"),
        (["hydra.launcher.n_jobs=3"], "choose another first: hydra/launcher=parallel"),
        (["hydra/launcher=ray"], "hydra/launcher=ray: not installed; pip install hydra-ray-launcher"),
        (["hydra/sweeper=ax"], "hydra/sweeper=ax: not installed; pip install hydra-ax-sweeper"),
        (["hydra/sweeper=nevergrad"], "not installed; pip install hydra-nevergrad-sweeper"),
        (["hydra/sweeper=grid"], "hydra/sweeper=grid: no such option; valid: basic"),
        (["optimizer.betas=[0.9,0.98"], "optimizer.betas=[0.9,0.98: expected key=value, in which brackets and quotes"),
        (["name='it's'"], "name='it's': expected key=value"),
        (["seed"], "seed: expected key=value"),
        (["optimizer.lr=1e-3)"], "optimizer.lr: expected a number, found '1e-3)'"),
    ],
)
def test_a_refused_word_is_one_line_that_helps(words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert text in refusal(capsys, "train", *words)


def test_a_launcher_of_our_own_extra_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hydra.errors import MissingConfigException

    from leap_avvp.config.explain import explain

    for name in ("joblib", "submitit_slurm", "submitit_local"):
        line = str(explain(MissingConfigException("missing", f"hydra/launcher/{name}", ["basic"])))
        assert line == f"hydra/launcher={name}: not installed; pip install 'leap-avvp[launchers]'"


def test_flags_may_stand_between_overrides(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "encoder=han", "--cfg", "job", "seed=3"]) == 0
    said = capsys.readouterr().out
    assert "seed: 3" in said
    assert "HAN" in said


def test_a_reference_on_the_command_line_is_followed(capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(capsys, "train", *TINY, "optimizer.lr=${data.schedule.lr}", "loss.avss_weight=-1")
    assert line.startswith("loss.avss_weight: expected")
    assert refusal(capsys, "train", *TINY, "optimizer.lr=${nope}").startswith("Interpolation key 'nope' not found")


def test_a_key_that_is_given_twice_is_told_with_the_value_that_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *TINY, "seed=1", "seed=2", "seed=2", "trainer.max_epochs=0"]) == 2
    said = capsys.readouterr().out
    assert said.count("note: seed is given twice, seed=1 and seed=2; seed=2 holds") == 1
    assert said.count("note:") == 1
    assert main(["train", "seed=1", "seed=2", "--cfg", "job"]) == 0
    assert "note:" not in capsys.readouterr().out


def test_one_run_of_an_experiment_that_is_a_sweep_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", *TINY, "loss.segment_weight=-1"]
    assert main([*words, "experiment=table6"]) == 2
    assert "note: experiment=table6 sweeps over loss.avss_weight; -m runs it all" in capsys.readouterr().out
    assert main([*words, "experiment=table6", "loss.avss_weight=1"]) == 2
    assert main([*words, "experiment=protocols"]) == 2
    assert main(["train", "-m", *words[1:], "experiment=table6", "hydra.sweep.dir=sweep"]) == 2
    assert "note: experiment" not in capsys.readouterr().out

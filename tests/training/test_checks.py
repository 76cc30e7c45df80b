"""What cannot be trained is refused before anything is loaded or written."""

from __future__ import annotations

from pathlib import Path

import pytest

from leap_avvp.config.compose import compose_config
from leap_avvp.config.job import TrainingJob, training_job
from leap_avvp.errors import LeapError
from leap_avvp.training.checks import check_job

LR = "torch.optim.lr_scheduler"
CALLBACKS = "lightning.pytorch.callbacks"


def job_of(folder: Path, *words: str) -> TrainingJob:
    """Return a job whose data are nowhere: to look for them is an error."""
    own = ["data=llp", "data.root=/nowhere", "trainer=cpu", "scheduler=warmup_cosine", f"output_dir={folder / 'run'}"]
    return training_job(compose_config([*own, *words]))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["callbacks.monitor=val_loss"], r"callbacks\.monitor: expected one of val/segment/audio, .*found 'val_loss'"),
        (["callbacks.monitor=test/average"], "callbacks\\.monitor: .*did you mean 'val/average'"),
        (["callbacks.mode=maximum"], "callbacks\\.mode: expected one of max, min"),
        ([f"+callbacks.early={{_target_:{CALLBACKS}.EarlyStopping,monitor:loss}}"], r"callbacks\.early\.monitor: exp"),
        ([f"+callbacks.early={{_target_:{CALLBACKS}.EarlyStopping}}"], r"callbacks\.early\.monitor: .*needs it"),
        ([f"+callbacks.a={{_target_:{CALLBACKS}.Timer,hours:3}}"], r"callbacks\.a\.hours: expected an argument"),
        (["+callbacks.a={_target_:torch.nn.ReLU}"], r"callbacks\.a: expected a Callback, found ReLU"),
        (
            [f"scheduler._target_={LR}.ExponentialLR", "+scheduler.gamma=0.9"],
            r"scheduler\.warmup_steps: expected an arg",
        ),
        ([f"scheduler={{_target_:{LR}.ExponentialLR}}"], r"scheduler\.gamma: .* add \+scheduler\.gamma=VALUE"),
        ([f"scheduler={{_target_:{LR}.OneCycleLR,max_lr:1}}"], "scheduler: .*You must define either total_steps"),
        ([f"scheduler={{_target_:{LR}.OneCycleLR,max_lr:1,total_steps:9}}"], "scheduler: .*Tried to step"),
        ([f"scheduler={{_target_:{LR}.ReduceLROnPlateau,factor:2}}"], "scheduler: .*factor=2.*Factor should be < 1"),
        (["scheduler={_target_:torch.nn.Linear,out_features:3}"], "scheduler: "),
        (["scheduler={gamma:0.9}"], r"scheduler\._target_: expected the name of a class"),
        (["scheduler=step", "scheduler.step_size=0"], "scheduler: .*step_size=0"),
        (["scheduler=cosine", "scheduler.T_max=0"], r"scheduler\.T_max: expected a number above 0"),
        (["scheduler.warmup_steps=-1"], r"scheduler\.warmup_steps: expected a whole number of at least 0"),
        (["+optimizer.nesterov=true"], r"optimizer\.nesterov: expected an argument of torch\.optim\.Adam"),
        (["+optimizer.betas=[0.9,2]"], "optimizer: .*Invalid beta parameter"),
        (["optimizer={_target_:torch.optim.SparseAdam}"], "optimizer: .*does not support dense gradients"),
        (["optimizer={_target_:torch.optim.SGD,lr:-1}"], "optimizer: .*Invalid learning rate"),
        (["trainer.max_epochs=-1", "trainer.max_time=00:01:00:00"], "scheduler: .*WarmupCosine needs the length"),
        (
            ["trainer.max_epochs=-1", "trainer.max_time=00:01:00:00", "scheduler=cosine"],
            "scheduler: .*needs the length",
        ),
        (["trainer.limit_val_batches=0"], r"trainer\.limit_val_batches: expected at least one batch"),
        (["trainer.devices=2"], r"trainer\.devices: .*torchrun --standalone --nproc-per-node=2 -m leap_avvp train"),
        (["trainer.devices=2", "trainer.strategy=ddp"], r"trainer\.devices: .*torchrun"),
        (["trainer.devices=2", "trainer.strategy=ddp_spawn"], r"trainer\.devices: .*torchrun"),
        (["trainer.devices=0"], "trainer: .*devices=0"),
        (["+trainer.max_step=3"], r"trainer\.max_step: expected an argument .*did you mean max_steps"),
        (["trainer.precision=17"], "trainer: Precision 17 is invalid"),
        (["trainer.profiler=nope"], "trainer: .*profiler"),
    ],
)
def test_a_job_is_refused_in_one_line_before_its_data_are_looked_for(
    words: list[str], text: str, tmp_path: Path
) -> None:
    with pytest.raises(LeapError, match=f"^{text}") as caught:
        check_job(job_of(tmp_path, *words))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words",
    [
        [],
        [f"scheduler={{_target_:{LR}.ExponentialLR,gamma:0.9}}"],
        [f"scheduler={{_target_:{LR}.ReduceLROnPlateau,patience:1}}"],
        [f"scheduler={{_target_:{LR}.OneCycleLR,max_lr:0.1,total_steps:30}}"],
        ["scheduler=cosine"],
        ["scheduler=none", "trainer.max_epochs=-1", "trainer.max_time=00:01:00:00"],
        ["scheduler=step", "trainer.max_epochs=-1", "trainer.max_time=00:01:00:00"],
        ["trainer.max_epochs=-1", "trainer.max_steps=100"],
        ["optimizer={_target_:torch.optim.SGD,lr:0.1,momentum:0.9,nesterov:true}"],
        ["optimizer={_target_:torch.optim.LBFGS}"],
        ["+optimizer.betas=[0.9,0.98]"],
        [f"+callbacks.early={{_target_:{CALLBACKS}.EarlyStopping,monitor:val/average,mode:max}}"],
        [f"+callbacks.early={{_target_:{CALLBACKS}.EarlyStopping,monitor:train/loss/total}}"],
        ["trainer.devices=[0]"],
        ["trainer.devices=auto"],
        ["callbacks.monitor=val/average"],
    ],
)
def test_a_job_that_can_be_trained_passes(words: list[str], tmp_path: Path) -> None:
    check_job(job_of(tmp_path, *words))

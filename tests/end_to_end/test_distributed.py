"""Several processes that train as one: the same steps, the same scores, one writer, and a stopped run goes on."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from leap_avvp.cli import main
from leap_avvp.training.checkpoint import read_checkpoint
from leap_avvp.training.module import ParsingModule
from tests.processes import PATIENCE, environment, finish, kill, start

EXACT = (
    *("encoder.dropout=0", "decoder.dropout=0", "decoder.attention_dropout=0"),
    *("optimizer={_target_:torch.optim.SGD,lr:0.1}", "scheduler=none"),
)
VIDEOS = ("data.num_train=21", "data.num_val=7", "data.num_test=5")  # steps of 8, 8 and 5: no two processes share 5
TOGETHER = ("trainer.devices=2", "trainer.strategy=ddp", "data.batch_size=4")
RANK = """
import os, signal, sys
number, rank, port, stop, *words = sys.argv[1:]
os.environ |= dict(TORCHELASTIC_RUN_ID="x", MASTER_ADDR="127.0.0.1", MASTER_PORT=port, WORLD_SIZE=number,
                   LOCAL_WORLD_SIZE=number, RANK=rank, LOCAL_RANK=rank, GROUP_RANK="0")
from leap_avvp.cli import main
from leap_avvp.training.module import ParsingModule
if int(stop) and rank == "0":
    original = ParsingModule.training_step
    def step(self, batch, batch_idx):
        if self.global_step == int(stop) - 1:
            signal.raise_signal(signal.SIGTERM)
        return original(self, batch, batch_idx)
    ParsingModule.training_step = step
sys.exit(main(words))
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def side_by_side(words: Sequence[str], logs: Path, number: int = 2, stop: int = 0) -> tuple[list[int], str]:
    """Run a command as so many processes of one training, asked to stop in a step; return exit codes and output."""
    logs.mkdir(exist_ok=True)
    port, running = free_port(), []
    paths = [logs / f"rank-{rank}.log" for rank in range(number)]
    try:
        for rank, path in enumerate(paths):
            command = [sys.executable, "-c", RANK, *map(str, (number, rank, port, stop)), *words]
            running.append(start(command, path))
        codes = [process.wait(PATIENCE) for process in running]
    finally:
        for process in running:
            kill(process)
    return codes, "".join(path.read_text() for path in paths)


def stopped_alone(words: Sequence[str], step: int) -> None:
    """Run a command in this process, asked to stop in a step."""
    original = ParsingModule.training_step

    def training_step(self: ParsingModule, batch: Any, batch_idx: int) -> Any:
        if self.global_step == step - 1:
            signal.raise_signal(signal.SIGTERM)
        return original(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ParsingModule, "training_step", training_step)
        assert main(list(words)) == 128 + signal.SIGTERM


def left_by(run: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, float]], dict[str, float]]:
    """Return the weights after the last epoch, the rows of the history, and the scores of the test."""
    with (run / "history.csv").open(newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    weights = read_checkpoint(run / "checkpoints" / "last.ckpt")["state_dict"]
    return weights, rows, json.loads((run / "metrics.json").read_text())["test"]


def assert_agree(one: Path, other: Path, losses: bool = True) -> None:
    """Hold two runs against each other to rounding; their scores to the bit."""
    (weights, rows, test), (others, other_rows, other_test) = left_by(one), left_by(other)
    assert weights.keys() == others.keys()
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, others[name], rtol=1e-4, atol=1e-6, msg=lambda text, name=name: name + text)
    if losses:
        assert [row["train/loss/total"] for row in rows] == pytest.approx(
            [row["train/loss/total"] for row in other_rows], rel=1e-5
        )
    scores = [{key: value for key, value in row.items() if key.startswith("val/")} for row in rows]
    assert scores == [{key: value for key, value in row.items() if key.startswith("val/")} for row in other_rows]
    assert test == other_test


@pytest.fixture(scope="module")
def words() -> list[str]:
    from tests.end_to_end.conftest import LEAP, SMALL

    return ["train", *SMALL, *LEAP, *EXACT, *VIDEOS, "callbacks.keep_last=true"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> Path:
    """What one process makes of batches of 8."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    assert main([*words, f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> Path:
    """What two processes make of batches of 4, started as the README has it."""
    folder = tmp_path_factory.mktemp("together")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "leap_avvp"]
    command = [sys.executable, *torchrun, *words, *TOGETHER, f"hydra.run.dir={folder / 'run'}"]
    assert finish(command, folder / "log", cold=True) == 0, (folder / "log").read_text()
    said = (folder / "log").read_text()
    assert said.count("written:") == 1
    assert "sync_dist" not in said
    return folder / "run"


@pytest.mark.slow
def test_two_processes_train_as_one_and_score_every_video_once(together: Path, alone: Path) -> None:
    assert_agree(together, alone)
    with np.load(together / "predictions_test.npz") as one, np.load(alone / "predictions_test.npz") as other:
        assert len(one["video_id"]) == 5
        assert {name: one[name].tolist() for name in one} == {name: other[name].tolist() for name in other}


def test_accumulated_batches_are_one_batch(alone: Path, words: list[str], tmp_path: Path) -> None:
    shared = ["data.batch_size=4", "trainer.accumulate_grad_batches=2"]  # 4 + 4, 4 + 4, 4 + 1
    assert main([*words, *shared, f"hydra.run.dir={tmp_path / 'run'}"]) == 0
    assert_agree(tmp_path / "run", alone, losses=False)


@pytest.mark.slow
@pytest.mark.parametrize("step", [2, 3], ids=["in mid-epoch", "at its end"])
def test_a_run_of_two_goes_on_alone(words: list[str], alone: Path, tmp_path: Path, step: int) -> None:
    run = f"hydra.run.dir={tmp_path / 'run'}"
    codes, said = side_by_side([*words, *TOGETHER, run], tmp_path, stop=step)
    assert codes == [143, 143], said
    shared = ["data.batch_size=4", "trainer.accumulate_grad_batches=2"] if step == 2 else []
    assert main([*words, *shared, run]) == 0
    assert_agree(tmp_path / "run", alone, losses=not shared)


@pytest.mark.slow
def test_a_run_of_one_goes_on_with_two_and_not_with_other_steps(
    words: list[str], alone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = f"hydra.run.dir={tmp_path / 'run'}"
    stopped_alone([*words, run], 2)
    capsys.readouterr()
    assert main([*words, "data.batch_size=4", run]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "expected steps of 8 videos (1 process x data.batch_size=8; 3 steps an epoch) as in the run so far" in line
    assert "data.batch_size=8 goes on" in line
    codes, said = side_by_side([*words, *TOGETHER, run], tmp_path)
    assert codes == [0, 0], said
    assert_agree(tmp_path / "run", alone)


@pytest.mark.parametrize(
    ("devices", "nodes", "text"),
    [
        (1, 1, "torchrun has started 2 processes on 1 node, found trainer.devices=1 and trainer.num_nodes=1; "),
        (4, 1, "trainer.devices=2 trainer.num_nodes=1 trainer.strategy=ddp takes them"),
        (1, 2, "found trainer.devices=1 and trainer.num_nodes=2"),
    ],
)
def test_a_wrong_number_of_devices_is_one_line(small, tmp_path, monkeypatch, capsys, devices, nodes, text) -> None:
    told = dict(TORCHELASTIC_RUN_ID="x", WORLD_SIZE="2", LOCAL_WORLD_SIZE="2", RANK="0", LOCAL_RANK="0")
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    words = [f"trainer.devices={devices}", f"+trainer.num_nodes={nodes}", "trainer.strategy=ddp"]
    assert main(["train", *small, *words, f"hydra.run.dir={tmp_path}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: trainer.devices: ")
    assert text in line


@pytest.mark.parametrize(("tasks", "text"), [("1", "trainer.devices=1 "), ("4", "4 processes")])
def test_tasks_of_slurm_are_counted_too(small, tmp_path, monkeypatch, capsys, tasks, text) -> None:
    told = dict(SLURM_NTASKS=tasks, SLURM_STEP_NUM_TASKS=tasks, SLURM_JOB_ID="1", SLURM_JOB_NAME="x", SLURM_PROCID="0")
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert main(["train", *small, "trainer.devices=2", "trainer.strategy=ddp", f"hydra.run.dir={tmp_path}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "srun has started" in line
    assert text in line


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def two_nodes() -> Iterator[dict[str, str]]:
    """Yield two network namespaces that are joined by a cable, and the address of each: ``{name: address}``."""
    if shutil.which("ip") is None:
        pytest.skip("no ip (apt-get install iproute2)")
    tag = f"lv{free_port() % 10000}"
    nodes = {f"{tag}a": "10.231.7.1", f"{tag}b": "10.231.7.2"}
    one, other = nodes
    try:
        try:
            for name in nodes:
                _ip("netns", "add", name)
            _ip("link", "add", "cable", "netns", one, "type", "veth", "peer", "name", "cable", "netns", other)
            for name, address in nodes.items():
                _ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
                for device in ("lo", "cable"):
                    _ip("-n", name, "link", "set", device, "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no right to make network namespaces: {error.stderr.strip()}")
        yield nodes
    finally:
        for name in nodes:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


@pytest.mark.slow
def test_two_nodes_train_as_one(two_nodes: dict[str, str], words: list[str], alone: Path, tmp_path: Path) -> None:
    """Each node has a network of its own; what they share is the folder, as on a cluster."""
    first = next(iter(two_nodes.values()))
    shared = [*words, "data.batch_size=4", "trainer.devices=1", "+trainer.num_nodes=2", "trainer.strategy=ddp"]
    shared.append(f"hydra.run.dir={tmp_path / 'run'}")
    running, logs = [], []
    try:
        for rank, name in enumerate(two_nodes):
            torchrun = [
                *("torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", f"--node-rank={rank}"),
                *(f"--master-addr={first}", "--master-port=29400", "-m", "leap_avvp"),
            ]
            logs.append(tmp_path / f"{name}.log")
            with logs[-1].open("wb") as log:
                running.append(
                    subprocess.Popen(
                        ["ip", "netns", "exec", name, sys.executable, "-m", *torchrun, *shared],
                        env=environment() | {"GLOO_SOCKET_IFNAME": "cable"},
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        codes = [process.wait(PATIENCE) for process in running]
    finally:
        for process in running:
            kill(process)
    said = "".join(log.read_text() for log in logs)
    assert codes == [0, 0], said
    assert said.count("written:") == 1
    assert_agree(tmp_path / "run", alone)

"""Ray and Slurm do what this machine's processes do: the same bytes, whatever ends in the middle."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leap_avvp.card import named_features
from leap_avvp.card.read import card_from
from leap_avvp.errors import ConfigError, DataError, LeapError
from leap_avvp.files.interrupts import Stopped
from leap_avvp.files.locks import LOCK_FILES
from leap_avvp.media import runs
from leap_avvp.media.decode import Clip
from leap_avvp.media.engines import engine_named, host, on_ray, on_slurm
from leap_avvp.media.engines.host import Host, Order
from leap_avvp.media.engines.on_ray import OnRay
from leap_avvp.media.engines.on_slurm import OnSlurm, job_options
from leap_avvp.media.engines.spool import Spool
from leap_avvp.media.extraction import Extraction, Job, all_clips, extract
from leap_avvp.media.labelling import LabelJob, Video, label
from leap_avvp.media.pool import Outcome
from leap_avvp.media.teachers import Sense, Teacher
from leap_avvp.timeline import write_outputs
from leap_avvp.timeline.many import parse_many
from tests.media import engine_work, fakes, pool_work
from tests.media.fakes import FakeExtractor, FakeScorer, write_clips
from tests.processes import PATIENCE, Process, finish, kill, start
from tests.slurm.cluster import SlurmCluster
from tests.slurm.fixtures import _slurm, slurm_cluster  # noqa: F401

pytest.importorskip("av", reason="PyAV is not installed (the extra `media`)")
pytest.importorskip("soxr", reason="soxr is not installed (the extra `media`)")

ROOT = Path(__file__).parents[2]
CLIPS = 30


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of clips that take a moment each, the later ones longer; one without sound, and one that is no video."""
    fakes.install(monkeypatch, tmp_path / "cache")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    names = [f"{'brief' if number < CLIPS // 3 else 'slow'}{number:02}" for number in range(CLIPS - 2)]
    folder = write_clips(tmp_path / "videos", [*names, "deaf"])
    (folder / "text.mp4").write_text("no video")
    return folder


def run(videos: Path, out: Path, engine: Any = None, jobs: int = 1) -> Extraction:
    extractor = FakeExtractor({"audio": "embedded", "video_2d": "embedded"}, 2)
    return extract(all_clips([videos]), out, Job(named_features("embedded"), extractor, jobs=jobs, engine=engine))


def local(videos: Path, out: Path) -> dict[str, bytes]:
    """Return what this process makes of the clips."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "outcomes", fakes.in_process)
        patch.setattr(time, "sleep", lambda _: None)
        run(videos, out)
    return content(out)


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in LOCK_FILES)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def stamps(out: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of each array."""
    found = {path: path.stat() for path in out.rglob("*.npy") if not path.name.startswith(".")}
    return {str(path): (status.st_ino, status.st_mtime_ns) for path, status in found.items()}


def kept(before: dict[str, tuple[int, int]], out: Path) -> bool:
    after = stamps(out)
    return {name: after.get(name) for name in before} == before


def wait_for(arrays: int, out: Path, going: Callable[[], bool] = lambda: True) -> None:
    end = time.monotonic() + PATIENCE
    while going() and len(list(out.glob("feats/*/[!.]*.npy"))) < arrays:
        assert time.monotonic() < end
        time.sleep(0.02)


# Ray


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Return the address of three nodes, and what ends one of them."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed (the extra `ray`)")
    with (tmp_path / "nodes.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("ray_nodes.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
        )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None

    def remove() -> None:
        process.stdin.write("\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        assert process.stdout.readline() == "removed\n"  # type: ignore[union-attr]

    try:
        address = process.stdout.readline().strip()
        assert address, (tmp_path / "nodes.log").read_text()
        yield address, remove
    finally:
        process.stdin.close()
        process.wait(120)
        process.stdout.close()


def on_nodes(videos: Path, out: Path, address: str, workers: int) -> list[str]:
    words = ("extract", videos, "--features", "embedded", "--segments", 2, "--out", out, "--engine", "ray")
    script = ROOT / "tests" / "torture" / "fake_extract.py"
    words = (script, videos.parent / "cache", *words, "--address", address, "--workers", workers)
    return [sys.executable, *map(str, words)]


@pytest.mark.slow
def test_ray_loses_a_node_and_is_stopped_and_ends_with_the_same_bytes(
    videos: Path, tmp_path: Path, nodes: tuple[str, Callable[[], None]]
) -> None:
    address, remove = nodes
    log, out = tmp_path / "log", tmp_path / "out"
    process: Process = start(on_nodes(videos, out, address, 3), log)
    try:
        wait_for(CLIPS // 3, out, lambda: process.poll() is None)
        before = stamps(out)
        remove()
        wait_for(len(before) + CLIPS // 2, out, lambda: process.poll() is None)
        assert process.poll() is None, log.read_text()
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(PATIENCE) == 128 + signal.SIGTERM, log.read_text()
    finally:
        kill(process)
    told = log.read_text().splitlines()[-1]
    assert told.startswith("stopped by SIGTERM: ")
    assert told.endswith(f"of {CLIPS} videos are whole in {out}; the same command goes on")
    assert kept(before, out)
    before = stamps(out)
    assert finish(on_nodes(videos, out, address, 1), log) == 1, log.read_text()  # a clip without sound, and no video
    assert kept(before, out), "made twice"
    assert content(out) == local(videos, tmp_path / "local")
    text = log.read_text()
    assert f"{CLIPS - 2} of {CLIPS} videos have all features" in text
    assert "Traceback" not in text
    assert "raylet" not in text


class Crew:
    """Actors that end over some items."""

    def __init__(self, ends: Callable[[int], bool], loses: int = 0) -> None:
        self.members: list[Any] = []
        self._ends, self._loses, self._answers = ends, loses, []  # type: ignore[var-annotated]

    def fill(self, most: int) -> None:
        while len(self.members) < min(2, most):
            member = on_ray._Member(None)
            self.members.append(member)
            lost = self._loses > 0
            self._loses -= 1
            self._answers.append((member, RuntimeError("an actor has died") if lost else None))

    def give(self, member: Any, index: int, item: Any) -> None:
        member.index = index
        dies = self._ends(item)
        self._answers.append((member, RuntimeError("an actor has died") if dies else Outcome(index, item**2)))

    def next(self) -> tuple[Any, Any]:
        member, answer = self._answers.pop(0)
        if isinstance(answer, RuntimeError):
            self.members.remove(member)
        return member, answer


def test_an_item_that_ends_three_ray_workers_is_set_aside() -> None:
    ended: list[int] = []

    def ends(item: int) -> bool:
        ended.append(item)
        return item == 3 or (item == 5 and ended.count(5) < 3)

    found = sorted(on_ray._all_of([1, 2, 3, 4, 5], Crew(ends, loses=2)), key=lambda one: one.index)  # type: ignore[arg-type]
    assert found == [
        Outcome(0, 1),
        Outcome(1, 4),
        Outcome(2, problem="its Ray worker or node was ended, 3 times", deaths=6),
        Outcome(3, 16),
        Outcome(4, 25, deaths=2),
    ]
    with pytest.raises(LeapError, match="Ray workers end before they have begun: an actor has died"):
        list(on_ray._all_of([1], Crew(ends, loses=99)))  # type: ignore[arg-type]


# What any engine starts


def test_a_worker_says_what_it_does_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.install(monkeypatch, tmp_path / "cache")
    order = Order.of(FakeExtractor({"audio": "embedded", "video_2d": "embedded"}, 2))
    assert sorted(order.weights) == ["fake_ear", "fake_eye"]
    order.check()
    with monkeypatch.context() as patch:
        patch.setattr(host, "versions", lambda: dict(order.versions) | {"numpy": "0.1"})
        with pytest.raises(ConfigError, match=r"expected numpy .*, as where the command runs, found 0.1"):
            order.check()
    (tmp_path / "cache" / "fake_ear").write_bytes(b"others")
    problem = Host(order).ready()
    assert isinstance(problem, DataError)
    assert "fake_ear: weights: expected those of the machine where the command runs" in str(problem)
    (tmp_path / "cache" / "fake_ear").unlink()
    assert "fake_ear: weights: cannot be read" in str(Host(order).ready())


def test_a_worker_outlives_the_end_of_its_process() -> None:
    one = Host(Order(pool_work.opener, {}, {}, {}))
    program = getattr(sys.modules["__main__"], "__file__", None)  # a worker of pytest has none
    try:
        assert one.ready() is None
        assert one.work(0, 3) == Outcome(0, 9)
        assert one.work(1, "exit") == Outcome(1, problem="its process was ended with exit code 3, 3 times", deaths=3)
        assert one.work(2, 4) == Outcome(2, 16)
    finally:
        one.close()
    assert getattr(sys.modules["__main__"], "__file__", None) == program


def test_tickets_are_taken_once_and_come_back(tmp_path: Path) -> None:
    ours = Spool.make(tmp_path / "spool", "an order")
    for index in range(3):
        ours.put(index, f"item {index}")
    theirs = Spool(tmp_path / "spool")
    assert theirs.order == "an order"
    assert theirs.is_open()
    first, second = theirs.take("7_0"), theirs.take("7_1")
    assert first is not None
    assert second is not None
    assert [(one.index, one.item, one.deaths) for one in (first, second)] == [(0, "item 0", 0), (1, "item 1", 0)]
    theirs.finish(first, Outcome(0, "done"))
    assert list(ours.collect()) == [Outcome(0, "done")]
    assert list(ours.collect()) == []
    assert ours.busy() == ["7_1"]
    ours.give_back("7_1", died=False)
    assert ours.busy() == []
    for deaths in range(3):  # item 2 comes first: nobody has died over it
        taken = [theirs.take("8") for _ in range(2 if deaths == 0 else 1)]
        assert (taken[-1].index, taken[-1].deaths) == (2 if deaths == 0 else 1, deaths)  # type: ignore[union-attr]
        if deaths == 0:
            theirs.finish(taken[-1], Outcome(2, "done"))  # type: ignore[arg-type]
        ours.give_back("8", died=True)
    aside = Outcome(1, problem="its Slurm job or node was ended, 3 times", deaths=3)
    assert sorted(ours.collect(), key=lambda one: one.index) == [aside, Outcome(2, "done")]
    theirs.refuse("8", ConfigError("node: no package"))
    with pytest.raises(ConfigError, match=r"^node: no package$"):
        list(ours.collect())


def test_who_asks_no_more_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool.make(tmp_path / "spool", None)
    assert Spool(spool.folder).is_open()
    monkeypatch.setattr("leap_avvp.media.engines.spool._FORSAKEN", -1.0)
    assert not Spool(spool.folder).is_open()
    monkeypatch.undo()
    spool.put(0, None)
    ticket = spool.take("8")
    assert ticket is not None
    for path in sorted(spool.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    spool.folder.rmdir()
    late = Spool(spool.folder)
    assert not late.is_open()
    late.finish(ticket, Outcome(0))
    assert late.take("8") is None
    assert not spool.folder.exists(), "nobody makes it anew"


# Slurm


@pytest.mark.slow
def test_slurm_makes_the_same_bytes_though_jobs_are_cancelled_and_put_back(
    videos: Path,
    tmp_path: Path,
    slurm_cluster: SlurmCluster,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed (the extra `launchers`)")
    monkeypatch.setattr(on_slurm, "_ASK", 0.5)
    out = tmp_path / "out"
    told: list[Any] = []

    def disturb() -> None:
        with contextlib.suppress(AssertionError):
            wait_for(CLIPS // 3, out)
            first, second = sorted(slurm_cluster.jobs())
            slurm_cluster.slurm("scontrol", "requeue", first)
            slurm_cluster.wait(lambda: slurm_cluster.jobs()[first] == "PENDING")
            slurm_cluster.slurm("scontrol", "update", f"jobid={first}", "StartTime=now")  # else in two minutes
            told.append(first)
            slurm_cluster.slurm("scancel", second)
            told.append(second)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        done = run(videos, out, OnSlurm(out / ".slurm", job_options(["partition=main", "time=10"])), jobs=2)
    finally:
        thread.join()
    assert len(told) == 2
    assert done.run.made == CLIPS - 2
    assert content(out) == local(videos, tmp_path / "local")
    assert slurm_cluster.jobs() == {}


@pytest.mark.slow
def test_slurm_stopped_by_a_signal_leaves_nothing_behind(
    videos: Path,
    tmp_path: Path,
    slurm_cluster: SlurmCluster,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed (the extra `launchers`)")
    monkeypatch.setattr(on_slurm, "_ASK", 0.5)
    out = tmp_path / "out"

    def interrupt() -> None:
        wait_for(CLIPS // 3, out)
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    with pytest.raises(Stopped, match=r"videos are whole in .*; the same command goes on"):
        run(videos, out, OnSlurm(out / ".slurm", {"partition": "main"}), jobs=1)
    thread.join()
    assert slurm_cluster.jobs() == {}
    assert not (out / ".slurm").exists()
    with pytest.raises(ConfigError, match=r"--slurm: sbatch takes no such job: .*partition"):
        run(videos, out, OnSlurm(out / ".slurm", {"partition": "none"}))


# Which engine


class Pickling:
    """Does in this process what others would be sent."""

    def outcomes(self, opener: Callable[[], Any], items: Sequence[Any], jobs: int | None = None) -> Generator[Outcome]:
        yield from fakes.in_process(*pickle.loads(pickle.dumps((opener, items))), jobs or 1)


def test_labels_and_timelines_are_made_by_any_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their work can be sent elsewhere, and a video that fails there is told here; what is whole stays."""
    fakes.install(monkeypatch, tmp_path / "cache")
    folder = write_clips(tmp_path / "videos", ["a", "b"])
    weak = [Video(name, name, np.ones(2, bool), Clip(folder / f"{name}.mkv", name=name)) for name in "ab"]
    senses = {
        "audio": Sense("audio", ("embedded",), (), ((0,), (1,)), (2.0, 2.0)),
        "visual": Sense("video_2d", ("embedded",), (), ((0,), (1,)), (2.0, 2.0)),
    }
    scorer = FakeScorer(
        Teacher("fake", "names", 1.0, 0.95, 3, senses), 2, 1.0, origins=dict.fromkeys(senses, "embedded")
    )
    card = card_from({"classes": ["loud", "bright"], "segments": 2, "features": "embedded", "name": "fake"})
    with monkeypatch.context() as patch:
        label(weak, {}, tmp_path / "elsewhere", LabelJob(scorer, card, engine=Pickling()))
        patch.setattr(runs, "outcomes", fakes.in_process)
        label(weak, {}, tmp_path / "here", LabelJob(scorer, card))
    assert content(tmp_path / "elsewhere") == content(tmp_path / "here")
    assert len(content(tmp_path / "here")) > 8

    (folder / "text.mp4").write_text("no video")
    clips = all_clips([folder]).clips
    out, parsing = tmp_path / "parsed", engine_work.Brightness()
    folders = [out / clip.name for clip in clips]
    done = parse_many(clips, folders, out, parsing, engine=Pickling())  # type: ignore[arg-type]
    assert (done.videos, done.there, done.run.made) == (3, 0, 2)
    assert [failure.filename for failure in done.run.failures] == ["text"]
    write_outputs(parsing()(clips[0]), tmp_path / "parsed" / "again")
    assert content(out / "again") == content(out / "a")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("timeline.*")}
    (out / "b" / "timeline.html").unlink()
    done = parse_many(clips, folders, out, parsing, engine=Pickling())  # type: ignore[arg-type]
    assert (done.there, done.run.made) == (1, 1)
    assert all(path.stat().st_mtime_ns == when for path, when in before.items() if path.parent != out / "b")
    with pytest.raises(ConfigError, match=r"parsed.json: the timelines there were made in another way \(embed\)"):
        parse_many(clips, folders, out, parsing, embed=True, engine=Pickling())  # type: ignore[arg-type]


def test_engines_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_named("local", tmp_path) is None
    assert engine_named("ray", tmp_path, address="host:1", gpus=0.5) == OnRay("host:1", 0.5)
    options = ["partition=gpu", "--gpus-per-node=2", "time=4:00:00", "gpus=1"]
    expected = {"partition": "gpu", "gpus_per_node": 2, "time": "4:00:00", "gpus": 1}
    assert engine_named("slurm", tmp_path, slurm=options) == OnSlurm(tmp_path / ".slurm", expected)
    with pytest.raises(ConfigError, match=r"--engine: expected one of local, ray, slurm, found 'rya'.*'ray'"):
        engine_named("rya", tmp_path)
    with pytest.raises(ConfigError, match="--address: expected --engine ray with it, found --engine local"):
        engine_named("local", tmp_path, address="host:1")
    with pytest.raises(ConfigError, match="--slurm: expected --engine slurm with it"):
        engine_named("ray", tmp_path, slurm=["partition=gpu"])
    for word in ("partition", "job_name=x", "a b=c"):
        with pytest.raises(ConfigError, match="--slurm: expected options of sbatch as KEY=VALUE"):
            engine_named("slurm", tmp_path, slurm=[word])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="expected Slurm's sbatch on this machine, found none"):
        next(OnSlurm(tmp_path).outcomes(pool_work.opener, [1]))
    assert list(OnSlurm(tmp_path).outcomes(pool_work.never, [])) == list(OnRay().outcomes(pool_work.never, [])) == []

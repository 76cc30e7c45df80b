"""What :mod:`benchmarks.scale` measures: a function a process of one thread, which prints what it found as JSON."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import pickle
import resource
import statistics
import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leap_avvp.media.asked import job_of
from leap_avvp.media.decode import Clip
from leap_avvp.media.engines import Engine
from leap_avvp.media.extraction import Job, all_clips, extract
from leap_avvp.media.pool import Outcome, Work

if TYPE_CHECKING:
    from leap_avvp.timeline.many import ZeroShotParsing

__all__ = ["extracting", "packing", "parsing", "planning", "simulating", "training"]

_UNIT = 1 if sys.platform == "darwin" else 1024


def extracting(clip: str, folder: str, counts: Sequence[int]) -> None:
    """Extract copies of a clip by one worker, once for each number of copies."""
    from leap_avvp.media.clips import Listing

    def work(out: Path, clips: Sequence[Clip]) -> int:
        return extract(Listing(tuple(clips), {}), out, _job(out)).run.made

    _by_one_worker(Path(folder) / "extracted", clip, counts, work)


def parsing(clip: str, folder: str, counts: Sequence[int]) -> None:
    """Parse copies of a clip zero-shot by one worker, once for each number of copies."""
    from leap_avvp.timeline.many import parse_many

    zero_shot = _zero_shot()

    def work(out: Path, clips: Sequence[Clip]) -> int:
        return parse_many(clips, [out / clip.name for clip in clips], out, zero_shot, jobs=1).run.made

    _by_one_worker(Path(folder) / "parsed", clip, counts, work)


def _by_one_worker(folder: Path, clip: str, counts: Sequence[int], work: Callable[[Path, Sequence[Clip]], int]) -> None:
    found: dict[str, list[float]] = {"worker": [], "driver": [], "bytes": [], "files": []}
    for count in counts:
        out = folder / str(count)
        ours, theirs = _spent(resource.RUSAGE_SELF), _spent(resource.RUSAGE_CHILDREN)
        made = work(out, [Clip(Path(clip), name=f"clip-{index:04d}") for index in range(count)])
        assert made == count, f"{made} of {count} were made"
        found["driver"].append(_spent(resource.RUSAGE_SELF) - ours)
        found["worker"].append(_spent(resource.RUSAGE_CHILDREN) - theirs)
        files = [path for path in out.rglob("*") if path.is_file() and path.parent != out]
        found["files"].append(len(files))
        found["bytes"].append(sum(path.stat().st_size for path in files))
    _say(found | {"worker_mb": _most(resource.RUSAGE_CHILDREN)})


class _Answers(Engine):
    """Decodes nothing: notes what the driver holds, and hands it one outcome again and again, by way of its bytes."""

    def __init__(self, value: Any, outcomes: int) -> None:
        self._value, self._outcomes = value, outcomes
        self.seen: list[tuple[float, float, float]] = []
        """MB, clock and seconds of the core, before each outcome and after the last one."""

    def outcomes(self, opener: Callable[[], Work], items: Sequence[Any], jobs: int | None = None) -> Generator[Outcome]:
        """Yield the outcomes."""
        for index in range(min(self._outcomes, len(items))):
            self._look()
            yield pickle.loads(pickle.dumps(Outcome(index, self._value)))
        self._look()

    def _look(self) -> None:
        self.seen.append((_held(), time.perf_counter(), time.process_time()))


def planning(folder: str, what: str, count: int, outcomes: int) -> None:
    """List a folder of empty files, plan what is to be done with them, and write a few outcomes.

    Outcomes are random features, or what :func:`parsing` has left in the folder.
    """
    from leap_avvp.cli.parse import _folders
    from leap_avvp.media.extractor import Made
    from leap_avvp.timeline.many import parse_many
    from leap_avvp.timeline.writers import FILES

    place, out = (Path(folder) / f"{name}-{what}-{count}" for name in ("listed", "planned"))
    place.mkdir()
    for index in range(count):
        (place / f"v{index:010d}.mp4").touch()
    job, zero_shot = _job(out), _zero_shot()
    rng = np.random.default_rng(0)
    value: Any
    if what == "extract":
        shapes = {stream: job.extractor.shape(stream) for stream in job.extractor.origins}
        rows = {stream: rng.standard_normal(shape, np.float32) for stream, shape in shapes.items()}
        value = Made(rows, {}, {}, 10.0)
    else:
        done = next((Path(folder) / "parsed").glob("*/clip-0000"))
        value = (10.0, {name: (done / file).read_bytes() for name, file in FILES.items()})
    answers = _Answers(value, outcomes)
    base, started = _held(), time.process_time()
    listing = all_clips([place])
    if what == "extract":
        extract(listing, out, Job(job.features, job.extractor, engine=answers))
    else:
        parse_many(listing.clips, _folders(listing.clips, out), out, zero_shot, engine=answers)
    held, walls, cores = zip(*answers.seen, strict=True)
    found = {"base": base, "mb": max(0.0, held[0] - base), "seconds": cores[0] - started}
    found |= {"write": statistics.median(_steps(walls)), "write_core": statistics.fmean(_steps(cores))}
    _say(found)


def _card() -> Any:
    from leap_avvp.card import LLP, named_features

    return dataclasses.replace(LLP, features=named_features("embedded"))


def simulating(folder: str, videos: Sequence[int]) -> None:
    """Write data folders of the embedded features, each with so many videos to train on, and 4 to validate and test."""
    from leap_avvp.data.simulate import SimulatedLLP, write_llp_folder

    for number in videos:
        drawn = SimulatedLLP(num_train=number, num_val=4, num_test=4, card=_card())
        write_llp_folder(drawn, Path(folder) / f"simulated-{number}")
    _say({})


def packing(folder: str, videos: Sequence[int]) -> None:
    """Pack these folders into shards of 4 MB."""
    from leap_avvp.data.shards.pack import pack_shards

    card = _card()
    found: dict[str, list[float]] = {"seconds": [], "bytes": [], "mb": [], "shards": [], "index": []}
    for number in videos:
        _forget_most()
        started = time.process_time()
        root = pack_shards(Path(folder) / f"simulated-{number}", shard_mb=4, card=card)
        found["seconds"].append(time.process_time() - started)
        found["mb"].append(_status("VmHWM"))
        found["bytes"].append(sum(path.stat().st_size for path in root.iterdir()))
        found["shards"].append(len(list(root.glob("*.npy"))))
        found["index"].append((root / "index.json").stat().st_size)
    _say(found | {"root": str(root)})


def training(root: str, words: Sequence[str], batch: int, steps: int = 3) -> None:
    """Make steps from a sharded set, and forward passes of one video."""
    import torch

    from leap_avvp.config import compose_job
    from leap_avvp.training.module import build_module

    fixed = ["data=shards", f"data.root={root}", f"data.batch_size={batch}", "label_embedding=learnable"]
    parts = compose_job([*fixed, *words], "unused").parts
    module = build_module(parts, 0)
    parser, loss = module.parser.train(), parts.loss()
    optimizer = torch.optim.Adam(parser.parameters(), lr=1e-4, fused=True)
    data = parts.data()
    data.setup("fit")
    times = [time.process_time()]
    for one in itertools.islice(itertools.cycle(data.train_dataloader()), steps + 1):
        out = parser(audio=one["audio"], video_2d=one["video_2d"])
        optimizer.zero_grad()
        loss(out, one)["total"].backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        times.append(time.process_time())
    most = _status("VmHWM")
    parser.eval()
    passes = [time.process_time()]
    with torch.inference_mode():
        for _ in range(4):
            parser(audio=one["audio"][:1], video_2d=one["video_2d"][:1])
            passes.append(time.process_time())
    step, forward = (statistics.median(list(_steps(clock))[1:]) for clock in (times, passes))
    parameters = sum(weight.numel() for weight in parser.parameters())
    _say({"step": step, "forward": forward, "mb": most, "parameters": parameters})


def _zero_shot() -> ZeroShotParsing:
    from leap_avvp.card import LLP
    from leap_avvp.media.names import names_for
    from leap_avvp.timeline.many import ZeroShotParsing

    return ZeroShotParsing(names_for(LLP.classes, None), tuple(LLP.display), 1.0, "cpu")


def _job(out: Path) -> Job:
    return job_of(out, features="embedded", jobs=1)


def _steps(clock: Sequence[float]) -> Iterable[float]:
    return [after - before for before, after in itertools.pairwise(clock)]


def _spent(whose: int) -> float:
    """Return seconds of a core, of user and system, of this process or of those that it has started and that ended."""
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def _most(whose: int) -> float:
    return resource.getrusage(whose).ru_maxrss * _UNIT / 1e6


def _held() -> float:
    return _status("VmRSS")


def _status(name: str) -> float:
    """Return MB that the process holds (``VmRSS``) or has held at most (``VmHWM``), where the system says that."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024 / 1e6
    except (OSError, StopIteration):
        return _most(resource.RUSAGE_SELF)


def _forget_most() -> None:
    """Let the most that the process has held begin anew, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _say(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)
    os._exit(0)  # nothing is left to do; to take all apart costs a second

"""Many videos into timelines by an engine: nothing on the terminal but how far it is, and files that stay.

A worker makes the bytes of a video's files, and the process that asked writes them: the page last, so that a video
whose files are all there is done. ``parsed.json`` says how they were made; in a folder of others nothing is mixed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.files import folder_lock, write_json, write_whole
from leap_avvp.files.interrupts import Stopped, StopSignals
from leap_avvp.media.decode import Clip
from leap_avvp.media.engines import Engine
from leap_avvp.media.extractor import origins_of
from leap_avvp.media.failures import Failure, write_failures
from leap_avvp.media.recipes import RECIPES, Recipe
from leap_avvp.media.runs import Run, work_on
from leap_avvp.timeline.result import Timeline
from leap_avvp.timeline.writers import FILES, write_events, write_figure, write_timeline, write_vtt

if TYPE_CHECKING:
    from leap_avvp.media.names import Names

__all__ = ["FAILED", "RECORD", "Parsed", "TrainedParsing", "ZeroShotParsing", "parse_many", "rendered"]

FAILED = "parse-failed.csv"
RECORD = "parsed.json"


@dataclasses.dataclass(frozen=True)
class ZeroShotParsing:
    """Loads the pretrained pair where it is called, and returns what turns a clip into a timeline."""

    names: Names
    display: tuple[str, ...] | None
    """See :func:`~leap_avvp.timeline.zero_shot.parse_zero_shot`."""
    seconds: float
    device: str

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        """By stream: those whose networks are loaded."""
        return RECIPES["embedded"]

    def describe(self) -> dict[str, Any]:
        """Return what the timelines depend on."""
        return {"names": dataclasses.asdict(self.names), "display": self.display, "seconds": self.seconds}

    def __call__(self) -> Callable[[Clip], Timeline]:
        """Load the networks.

        Raises:
            ConfigError: a package, or the device, is not there.
            DataError: there are no weights.
        """
        from leap_avvp.inference.parser import device_named
        from leap_avvp.media.zero_shot import ZeroShot
        from leap_avvp.timeline.zero_shot import parse_zero_shot

        pair = ZeroShot(device_named(self.device))
        return lambda clip: parse_zero_shot(clip, pair, self.names, self.display, self.seconds)


@dataclasses.dataclass(frozen=True)
class TrainedParsing:
    """Loads a trained model and the networks of its features where it is called."""

    checkpoint: str
    device: str
    origins: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """By stream: the feature set whose network is loaded."""
    digest: str = ""
    """Of the model's weights; empty: not looked at."""

    @classmethod
    def of(cls, checkpoint: str, device: str) -> TrainedParsing:
        """Return that of a checkpoint that can be read here.

        Raises:
            ConfigError: features that nothing here makes.
            DataError: no such checkpoint.
        """
        from leap_avvp.inference import load

        parser = load(checkpoint)
        digest = hashlib.sha256(parser.config_hash.encode())
        for name, tensor in parser.model.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().numpy().tobytes())
        return cls(checkpoint, device, origins_of(parser.card.features), digest.hexdigest())

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        """By stream: those whose networks are loaded."""
        return {stream: RECIPES[origin][stream] for stream, origin in self.origins.items()}

    def describe(self) -> dict[str, Any]:
        """Return what the timelines depend on."""
        return {"model": self.digest}

    def __call__(self) -> Callable[[Clip], Timeline]:
        """Load the model and the networks.

        Raises:
            ConfigError: a package, or the device, is not there.
            DataError: there are no weights.
        """
        from leap_avvp.inference import load
        from leap_avvp.inference.parser import device_named
        from leap_avvp.timeline.trained import TrainedTimeline

        device = device_named(self.device)
        return TrainedTimeline(load(self.checkpoint).to(device), device)


@dataclasses.dataclass(frozen=True)
class _Rendering:
    """Returns what turns a clip and its folder into the seconds that it has, and the bytes of its files."""

    parsing: ZeroShotParsing | TrainedParsing
    embed: bool

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        return self.parsing.recipes

    def __call__(self) -> Callable[[tuple[Clip, Path]], tuple[float, dict[str, bytes]]]:
        parse = self.parsing()

        def work(item: tuple[Clip, Path]) -> tuple[float, dict[str, bytes]]:
            timeline = parse(item[0])
            return timeline.duration, rendered(timeline, item[1], self.embed)

        return work


def rendered(timeline: Timeline, folder: Path, embed: bool = False) -> dict[str, bytes]:
    """Return the bytes of all files that :func:`~leap_avvp.timeline.write_outputs` would write into a folder, by key.

    Raises:
        DataError: see there.
    """
    from leap_avvp.timeline.page import page

    with tempfile.TemporaryDirectory() as place:
        paths = {name: Path(place) / file for name, file in FILES.items() if name != "page"}
        write_events([timeline], paths["events"])
        write_timeline(timeline, paths["timeline"])
        write_vtt(timeline, paths["subtitles"])
        write_figure(timeline, paths["figure"])
        found = {name: path.read_bytes() for name, path in paths.items()}
    return {**found, "page": page(timeline, folder, embed=embed).encode()}


@dataclasses.dataclass
class Parsed:
    """What has been done."""

    folder: Path
    videos: int
    there: int = 0
    """Videos of which all files were there already."""
    run: Run = dataclasses.field(default_factory=Run)
    """Over the others."""


def parse_many(
    clips: Sequence[Clip],
    folders: Sequence[Path],
    out: Path,
    parsing: ZeroShotParsing | TrainedParsing,
    *,
    embed: bool = False,
    jobs: int | None = None,
    engine: Engine | None = None,
) -> Parsed:
    """Write what :func:`~leap_avvp.timeline.write_outputs` does of each clip, in its folder, and ``out/parsed.json``.

    Videos whose files are all there are left alone, so that the same call goes on where one was ended. A clip that
    cannot be read costs that clip; all of these are in ``parse-failed.csv``.

    Raises:
        ConfigError: the folder holds timelines that were made in another way.
        DataError: weights are missing; a file that cannot be written.
        LeapError: another process writes there, or the engine cannot be used.
        Stopped: a signal asked to end.
    """
    with folder_lock(out), StopSignals().taken():
        _claim(out / RECORD, {**json.loads(json.dumps(parsing.describe())), "embed": embed})
        wanted = [
            place
            for place, folder in enumerate(folders)
            if not all((folder / name).is_file() for name in FILES.values())
        ]
        done = Parsed(out, len(clips), len(clips) - len(wanted))

        def take(index: int, made: tuple[float, dict[str, bytes]]) -> tuple[float, list[Failure]]:
            seconds, contents = made
            for name, content in contents.items():  # the page last
                write_whole(folders[wanted[index]] / FILES[name], content)
            return seconds, []

        items = [(clips[place], folders[place]) for place in wanted]
        names = [clips[place].name or clips[place].path.stem for place in wanted]
        device = "cpu" if parsing.device == "auto" else parsing.device
        try:
            work_on("parse", _Rendering(parsing, embed), items, names, take, done.run, jobs, device, engine)
        except Stopped as stopped:
            number = done.there + done.run.made
            where = f"{number:,} of {done.videos:,} videos are parsed in {out}; the same command goes on"
            raise Stopped(stopped.signum, where) from None
        write_failures(out / FAILED, done.run.failures)
    return done


def _claim(path: Path, made: dict[str, Any]) -> None:
    """Say how the timelines of a folder are made, or see that it is said.

    Raises:
        ConfigError: they were made in another way.
        DataError: what says it is damaged.
    """
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        write_json(made, path)
        return
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected what leap-avvp wrote, cannot read it ({error}); remove it") from error
    if there != made and next(path.parent.glob(f"*/{FILES['page']}"), None) is None:  # none was finished
        write_json(made, path)
    elif there != made:
        other = ", ".join(sorted(key for key in {*made, *there} if there.get(key) != made.get(key)))
        raise ConfigError(f"{path}: the timelines there were made in another way ({other}); use another --out")

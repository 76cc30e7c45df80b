"""Compose clips with known truth: what is heard and what is seen in which second, out of real sounds and photos.

    python examples/own_videos/compose.py farm --train 162 --val 36 --test 54

writes ``farm/clips/*.mp4``, ``farm/annotations/`` (weak labels of all of them; dense ones of validation and test
clips), ``farm/unseen/*.mp4``, which no annotation names, and ``farm/truth/``: what is heard and seen in training and
unseen clips, which nothing but a comparison may read. The same arguments give the same clips.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import sys
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rcc import ResourceError
from sources import CLASSES, FOLDER, RATE, Material, Photo, Sound, missing

__all__ = ["SPLITS", "Event", "Plan", "compose", "plan"]

SPLITS = ("train", "val", "test", "unseen")
WIDTH, HEIGHT = 320, 240
_FRAMES = (12, 15, 25)  # a second; each clip has one of them
_MOST_HEARD = 2  # at once
# Without x264's macroblock tree, which decides by bytes that it did not write: other clips at each run.
_X264 = {"crf": "28", "preset": "veryfast", "x264-params": "mbtree=0"}


@dataclasses.dataclass(frozen=True)
class Event:
    """A class, and the whole seconds between which it is heard, or seen."""

    name: str
    onset: int
    offset: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a clip holds."""

    heard: tuple[Event, ...]
    seen: tuple[Event, ...]

    @property
    def classes(self) -> list[str]:
        """The weak label: what is heard or seen anywhere, in the classes' order."""
        names = {event.name for event in (*self.heard, *self.seen)}
        return [name for name in CLASSES if name in names]


def plan(rng: np.random.Generator, first: str, seconds: int) -> Plan:
    """Return one to three events, ``first`` among them: half of them heard and seen, the others one of both.

    At most two are heard at once and one is seen; what is seen may begin and end other than what is heard.
    """
    others = [name for name in CLASSES if name != first]
    names = [first, *rng.permutation(others)[: rng.choice(3, p=(0.3, 0.45, 0.25))]]
    heard: list[Event] = []
    seen: list[Event] = []
    for name in map(str, names):
        kind = rng.choice(("both", "heard", "seen"), p=(0.5, 0.25, 0.25)) if CLASSES[name].photos else "heard"
        for _ in range(20):  # places; where none is free the event is left out
            length = int(rng.integers(2, max(3, seconds * 3 // 5) + 1))
            onset = int(rng.integers(0, seconds - length + 1))
            ear = Event(name, onset, onset + length)
            shift = rng.integers(-1, 2, size=2)
            eye = Event(name, max(0, onset + int(shift[0])), min(seconds, onset + length + int(shift[1])))
            if kind != "seen" and _most([*heard, ear], seconds) > _MOST_HEARD:
                continue
            if kind != "heard" and (eye.offset - eye.onset < 2 or _most([*seen, eye], seconds) > 1):
                continue
            heard += [ear] if kind != "seen" else []
            seen += [eye] if kind != "heard" else []
            break
    return Plan(tuple(heard), tuple(seen))


def _most(events: Sequence[Event], seconds: int) -> int:
    return max(sum(event.onset <= second < event.offset for event in events) for second in range(seconds))


def compose(out: Path, counts: dict[str, int], seconds: int = 10, seed: int = 0, folder: Path = FOLDER) -> None:
    """Write clips, annotations and truth to ``out``; ``counts`` has the number of clips of each of :data:`SPLITS`."""
    material = Material(folder)
    plans: dict[str, dict[str, Plan]] = {}
    for number, split in enumerate(SPLITS):
        plans[split] = {}
        for index in range(counts[split]):
            rng = np.random.default_rng((seed, number, index, seconds))
            name = f"{split}-{index:03d}"
            plans[split][name] = plan(rng, list(CLASSES)[index % len(CLASSES)], seconds)
            path = out / ("unseen" if split == "unseen" else "clips") / f"{name}.mp4"
            _write(path, plans[split][name], seconds, material, rng, unseen=split in ("test", "unseen"))
        if split != "unseen":
            rows = [(name, ",".join(one.classes)) for name, one in plans[split].items()]
            _table(out / "annotations" / f"{split}.csv", ("filename", "event_labels"), rows)
    for place, splits in (("annotations", ("val", "test")), ("truth", ("train", "unseen"))):
        for sense in ("heard", "seen"):
            rows = [
                (name, str(event.onset), str(event.offset), event.name)
                for split in splits
                for name, one in plans[split].items()
                for event in getattr(one, sense)
            ]
            _table(out / place / f"{sense}.csv", ("filename", "onset", "offset", "event_labels"), rows)


def _table(path: Path, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


def _pick(rng: np.random.Generator, choices: Sequence[Sound] | Sequence[Photo]) -> Sound | Photo:
    return choices[int(rng.integers(len(choices)))]


def _write(path: Path, one: Plan, seconds: int, material: Material, rng: np.random.Generator, unseen: bool) -> None:
    """Write a clip: H.264 and AAC."""
    sound = _sound(one.heard, seconds, material, rng, unseen)
    rate = int(rng.choice(_FRAMES))
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options=_X264)
        video.width, video.height, video.pix_fmt, video.thread_count = WIDTH, HEIGHT, "yuv420p", 1
        audio = container.add_stream("aac", rate=RATE)
        audio.layout, audio.bit_rate = "mono", 96_000
        for picture in _pictures(one.seen, seconds, rate, material, rng, unseen):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))


def _sound(
    heard: Sequence[Event], seconds: int, material: Material, rng: np.random.Generator, unseen: bool
) -> NDArray[np.float32]:
    """Return (n,) samples: noise, at times a sound of no class, and the events."""
    total = np.zeros(seconds * RATE, np.float32)
    total += _noise(rng, len(total)) * rng.uniform(0.001, 0.008)
    if rng.random() < 0.3:
        length = int(rng.integers(2, 4))
        onset = int(rng.integers(0, seconds - length + 1))
        other = material.sound(_pick(rng, material.others()))  # type: ignore[arg-type]
        total[onset * RATE : (onset + length) * RATE] += 0.3 * _filled(other, length, rng)
    for event in heard:
        found = CLASSES[event.name]
        samples = material.sound(_pick(rng, found.unseen_sounds if unseen else found.sounds))  # type: ignore[arg-type]
        gain = 10 ** (rng.uniform(-6, 3) / 20)
        total[event.onset * RATE : event.offset * RATE] += gain * _filled(samples, event.offset - event.onset, rng)
    return total * np.float32(min(1.0, 0.95 / np.abs(total).max()))


def _noise(rng: np.random.Generator, length: int) -> NDArray[np.float32]:
    """Return (length,) noise with less of the high than of the low, of a root mean square of 1."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum /= np.sqrt(np.arange(len(spectrum)) + 50)
    noise = np.fft.irfft(spectrum, length)
    return (noise / np.sqrt(np.square(noise).mean())).astype(np.float32)


def _filled(samples: NDArray[np.float32], seconds: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return ``seconds`` of a recording: from somewhere in it, and anew after a pause of up to 0.3 s."""
    length = seconds * RATE
    parts = [samples[int(rng.integers(len(samples) // 3)) :]]
    while sum(map(len, parts)) < length:
        parts += [np.zeros(int(rng.uniform(0.05, 0.3) * RATE), np.float32), samples]
    filled = np.concatenate(parts)[:length]
    fade = RATE // 50
    filled[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
    filled[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return filled


def _pictures(
    seen: Sequence[Event], seconds: int, rate: int, material: Material, rng: np.random.Generator, unseen: bool
) -> Iterator[NDArray[np.uint8]]:
    """Yield (HEIGHT, WIDTH, 3): a view without an event, and the photos of events, each under a moving camera."""
    view = _Camera(material.photo(_pick(rng, material.views(unseen))), seconds * rate, rng)  # type: ignore[arg-type]
    shots = []
    for event in seen:
        found = CLASSES[event.name]
        photo = material.photo(_pick(rng, found.unseen_photos if unseen else found.photos))  # type: ignore[arg-type]
        shots.append((event, _Camera(photo, (event.offset - event.onset) * rate, rng)))
    for index in range(seconds * rate):
        shown, since = view, 0
        for event, camera in shots:
            if event.onset * rate <= index < event.offset * rate:
                shown, since = camera, event.onset * rate
        yield shown.picture(index - since)


class _Camera:
    """A window that moves over a photo while it zooms; now and then mirrored, darker or brighter."""

    def __init__(self, photo: Image.Image, frames: int, rng: np.random.Generator) -> None:
        if rng.random() < 0.5:
            photo = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        brightness = rng.uniform(0.75, 1.2)
        self._photo = photo.point([min(255, round(value * brightness)) for value in range(256)] * 3)
        self._ends = np.array([self._window(rng), self._window(rng)])
        self._frames = frames

    def _window(self, rng: np.random.Generator) -> tuple[float, float, float, float]:
        """Return left, top, right and bottom in pixels: of the clip's shape, 0.65 to 1 of what fits."""
        width = min(self._photo.width, self._photo.height * WIDTH / HEIGHT) * rng.uniform(0.65, 1.0)
        height = width * HEIGHT / WIDTH
        left, top = rng.uniform(0, self._photo.width - width), rng.uniform(0, self._photo.height - height)
        return left, top, left + width, top + height

    def picture(self, frame: int) -> NDArray[np.uint8]:
        """Return (HEIGHT, WIDTH, 3)."""
        along = frame / max(1, self._frames - 1)
        box = (1 - along) * self._ends[0] + along * self._ends[1]
        image = self._photo.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR, box=tuple(map(float, box)))
        return np.asarray(image)


def main() -> int:
    """Compose what the command line says; return 0, or 2 with a line that says what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="a folder")
    for split, count in zip(SPLITS, (162, 36, 54, 2), strict=True):
        parser.add_argument(f"--{split}", type=int, default=count, metavar="N", help=f"clips (default: {count})")
    parser.add_argument("--seconds", type=int, default=10, metavar="S", help="of a clip, 3 to 60 (default: 10)")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--recordings", type=Path, default=FOLDER, metavar="DIR", help=f"default: {FOLDER}")
    arguments = parser.parse_args()
    counts = {split: getattr(arguments, split) for split in SPLITS}
    if min(counts.values()) < 0 or not 3 <= arguments.seconds <= 60 or arguments.seed < 0:
        parser.error("expected numbers from 0 on, and 3 to 60 seconds")
    try:
        absent = missing(arguments.recordings)
        if absent is None:
            compose(arguments.out, counts, arguments.seconds, arguments.seed, arguments.recordings)
    except (OSError, ResourceError) as error:
        absent = str(error)
    if absent is not None:
        print(f"compose: {absent}", file=sys.stderr)
        return 2
    print(f"{arguments.out}: {sum(counts.values())} clips")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

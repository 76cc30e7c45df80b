from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


def _grid(events: object, seconds: int) -> np.ndarray:
    from sources import CLASSES

    grid = np.zeros((seconds, len(CLASSES)), bool)
    for event in events:
        grid[event.onset : event.offset, list(CLASSES).index(event.name)] = True
    return grid


@pytest.mark.usefixtures("recordings")
class TestPlan:
    @pytest.mark.parametrize("seconds", [3, 5, 10, 30])
    def test_what_may_be_heard_and_seen(self, seconds: int) -> None:
        from compose import plan
        from sources import CLASSES

        rng = np.random.default_rng(0)
        plans = [plan(rng, name, seconds) for name in CLASSES for _ in range(30)]
        for one in plans:
            heard, seen = _grid(one.heard, seconds), _grid(one.seen, seconds)
            assert heard.sum(axis=1).max() <= 2
            assert seen.sum(axis=1).max() <= 1
            assert one.classes == [name for place, name in enumerate(CLASSES) if (heard | seen)[:, place].any()]
            assert not seen[:, list(CLASSES).index("rain")].any()
            assert all(0 <= event.onset < event.offset <= seconds for event in (*one.heard, *one.seen))
        first = [name for name in CLASSES for _ in range(30)]
        assert np.mean([name in one.classes for name, one in zip(first, plans, strict=True)]) == 1

    def test_ears_and_eyes_have_other_truths(self) -> None:
        from compose import plan

        rng = np.random.default_rng(1)
        plans = [plan(rng, "dog", 10) for _ in range(100)]
        heard, seen = (np.stack([_grid(getattr(one, sense), 10) for one in plans]) for sense in ("heard", "seen"))
        kinds = (heard & seen, heard & ~seen, seen & ~heard)
        assert all(kind.any(axis=1).sum() > 25 for kind in kinds)

    def test_recordings_of_unseen_clips(self) -> None:
        from sources import CLASSES, Material

        disjoint = {"dog", "cat", "cow", "horse"}
        for name, one in CLASSES.items():
            photos = {(photo.file, photo.name) for photo in one.photos}
            others = {(photo.file, photo.name) for photo in one.unseen_photos}
            assert bool(photos & others) == (name not in disjoint and name != "rain"), name
            if name == "sheep":
                continue
            for known, other in itertools.product(one.sounds, one.unseen_sounds):
                apart = (
                    known.name != other.name or (known.end or 1e9) <= other.start or (other.end or 1e9) <= known.start
                )
                assert apart, name
        material = Material()
        assert not {view.name for view in material.views(False)} & {view.name for view in material.views(True)}


@pytest.mark.usefixtures("recordings")
def test_the_same_clips_again(tmp_path: Path) -> None:
    from compose import compose

    from leap_avvp.media.decode import probe

    counts = {"train": 1, "val": 0, "test": 1, "unseen": 1}
    for name in "ab":
        compose(tmp_path / name, counts, seconds=3)
    first, second = (
        {path.relative_to(tmp_path / name): _digest(path) for path in sorted((tmp_path / name).rglob("*.*"))}
        for name in "ab"
    )
    assert first == second
    assert len({digest for path, digest in first.items() if path.suffix == ".mp4"}) == 3
    info = probe(tmp_path / "a" / "clips" / "train-000.mp4")
    assert (info.width, info.height, info.has_audio) == (320, 240, True)
    assert info.duration == pytest.approx(3, abs=0.1)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--recordings", "nowhere"], "apt-get install gcompris-qt-data"),
        (["--seconds", "2"], "3 to 60 seconds"),
        (["--train", "-1"], "numbers from 0 on"),
    ],
)
@pytest.mark.usefixtures("recordings")
def test_errors_are_a_line(tmp_path: Path, own_videos: Path, arguments: list[str], said: str) -> None:
    command = [sys.executable, str(own_videos / "compose.py"), str(tmp_path / "farm"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr

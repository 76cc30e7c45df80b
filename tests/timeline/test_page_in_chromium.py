"""The page in a browser: real clicks, keys and taps in headless Chromium, driven by Playwright's core.

``npm install --prefix .cache/playwright playwright-core`` in the repository brings what is needed beside Debian's
``chromium`` and ``nodejs``; ``PLAYWRIGHT_CORE`` names the folder of the package where it lies elsewhere.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leap_avvp.timeline import Timeline, write_page

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("drive_page.cjs")
INSTALLED = ROOT / ".cache" / "playwright" / "node_modules" / "playwright-core"
PLAYWRIGHT = Path(os.environ.get("PLAYWRIGHT_CORE") or INSTALLED)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NASTY = "</script><b>x"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)"),
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed (apt-get install nodejs)"),
    pytest.mark.skipif(
        not (PLAYWRIGHT / "package.json").is_file(),
        reason=f"no playwright-core at {PLAYWRIGHT} (npm install --prefix .cache/playwright playwright-core)",
    ),
]


def write_clip(path: Path, seconds: int = 6) -> None:
    """Write a silent VP8 video that changes its colour each second."""
    av = pytest.importorskip("av", reason="PyAV is not installed (pip install 'leap-avvp[media]')")
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(10 * seconds):
            picture = np.full((64, 96, 3), 20 + 30 * (number // 10), np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the driver saw in the pages of a clip of six seconds and of two hours."""
    folder = tmp_path_factory.mktemp("pages")
    write_clip(folder / "clip.webm")
    audio = np.array([[0.9, 0.1, 0.8, 0.9, 0.95, 0.2], [0, 0.6, 0.7, 0, 0, 0], [0.01] * 6], np.float32).T
    visual = np.array([[0.1, 0.9, 0.9, 0.1, 0, 0], [np.nan] * 6, [np.nan] * 6], np.float32).T
    with np.errstate(invalid="ignore"):
        on = (audio >= 0.5, visual >= 0.5)
    names = ("Dog", NASTY, "Cat")
    model = "zero-shot: YAMNet + EfficientNet-Lite0"
    timeline = Timeline(NASTY, 6.0, 1.0, names, names, audio, visual, *on, model, True, video=folder / "clip.webm")
    write_page(timeline, folder / "page.html")
    write_page(timeline, folder / "embedded.html", embed=True)
    write_page(dataclasses.replace(timeline, video=folder / "gone.webm"), folder / "gone.html")
    parts = {key: getattr(timeline, key)[1:3] for key in ("audio", "visual", "audio_on", "visual_on")}
    write_page(dataclasses.replace(timeline, start=1.0, duration=2.0, **parts), folder / "stretch.html")
    waves = 0.5 + 0.5 * np.sin(np.arange(7200)[:, None] / np.arange(5, 30)[None]).astype(np.float32)
    many = tuple(f"class {number}" for number in range(25))
    write_page(
        Timeline("long", 7200.0, 1.0, many, many, waves, waves[::-1], waves > 0.7, waves[::-1] > 0.7, "LEAP", False),
        folder / "long.html",
    )
    done = subprocess.run(
        ["node", str(DRIVER), str(PLAYWRIGHT), str(CHROMIUM), str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_opens_without_a_request_or_an_error(facts) -> None:
    assert facts["outside"] == []
    assert facts["errors"] == []
    assert facts["reader"]["start"]["clock"] == "0:00"


def test_names_are_shown_literally(facts) -> None:
    assert facts["reader"]["names"] == ["Dog", "Dog", NASTY, NASTY]
    assert facts["reader"]["bold"] == 0
    assert facts["policy"]["title"] == f"{NASTY}: what is heard and seen"


def test_hovering_tells_class_modality_time_and_probability(facts) -> None:
    assert facts["reader"]["tip"] == "Dog, heard, 0:04 to 0:05: 95 %, event"


def test_a_click_seeks_the_video(facts) -> None:
    clicked = facts["reader"]["clicked"]
    assert clicked["time"] == pytest.approx(3, abs=0.01)
    assert clicked["clock"] == "0:03"
    assert clicked["said"] == "heard: Dog"
    assert clicked["head"] == pytest.approx(3 * facts["reader"]["px"], abs=1)
    assert clicked["role"] == "gridcell"
    assert clicked["focus"] == "Dog, heard, 0:03 to 0:04: 90 %, event"


def test_keys_seek_and_move_between_rows(facts) -> None:
    keys = facts["reader"]["keys"]
    expected = {"ArrowRight": 4, "ArrowLeft": 3, "ArrowDown": 3, "ArrowUp": 3, "End": 5, "Home": 0}
    assert {key: found["time"] for key, found in keys.items()} == pytest.approx(expected, abs=0.01)
    assert keys["ArrowDown"]["focus"] == "Dog, seen, 0:03 to 0:04: 10 %"
    assert keys["ArrowUp"]["focus"] == "Dog, heard, 0:03 to 0:04: 90 %, event"
    assert facts["reader"]["live"] == "Dog, heard, 0:00 to 0:01: 90 %, event"
    assert facts["reader"]["ring"] == "solid"


def test_the_playhead_moves_along(facts) -> None:
    px = facts["reader"]["px"]
    playing, paused, ended = (facts["reader"][name] for name in ("playing", "paused", "ended"))
    assert playing["button"] == "Pause"
    assert playing["head"] > 0.9 * px
    assert paused["button"] == ended["button"] == "Play"
    assert paused["head"] == pytest.approx(paused["time"] * px, abs=2)
    assert ended["head"] == pytest.approx(ended["time"] * px, abs=2)
    assert ended["head"] > 5.5 * px


def test_the_list_of_events_seeks_too(facts) -> None:
    assert facts["reader"]["listed"]["time"] == pytest.approx(1, abs=0.01)


def test_all_classes_are_shown_when_asked_for(facts) -> None:
    assert facts["reader"]["all"] == [
        *("Dog heard", "Dog seen", f"{NASTY} heard", f"{NASTY} seen not judged"),
        *("Cat heard", "Cat seen not judged"),
    ]


def test_the_timeline_is_reached_by_tab(facts) -> None:
    tabs = facts["reader"]["tabs"]
    assert tabs[-1] == "gridcell"
    assert {"play", "before", "after", "narrower", "fit", "wider", "all", "theme"} <= set(tabs)


def test_the_policy_blocks_network_and_foreign_scripts(facts) -> None:
    assert facts["policy"]["blocked"] == ["connect-src", "img-src", "script-src-elem"]


def test_dark_and_light_differ_and_can_be_turned(facts) -> None:
    colours = facts["colours"]
    light, dark = colours["light"], colours["dark"]
    for part in ("paper", "ink", "corner", "bar", "button"):
        assert light[part] != dark[part]
        assert colours["light turned"][part] == dark[part]
        assert colours["dark turned"][part] == light[part]
    assert light["paper"] == "rgb(255, 255, 255)"
    assert sum(light["bar"]) < sum(light["corner"])


def test_without_the_video_the_timeline_still_works(facts) -> None:
    without = facts["without"]
    assert without["why"].startswith("gone.webm cannot be played")
    assert not without["video"]
    assert without["disabled"]
    assert without["state"]["clock"] == "0:03"
    assert without["state"]["focus"] == "Dog, heard, 0:03 to 0:04: 90 %, event"
    assert without["live"] == "There is no video to play."


def test_a_video_can_be_chosen_by_hand_or_lie_in_the_page(facts) -> None:
    assert facts["without"]["chosen"]["video"]
    assert facts["without"]["chosen"]["time"] == pytest.approx(3, abs=0.01)
    assert facts["without"]["embedded"]["time"] == pytest.approx(2, abs=0.01)


def test_a_stretch_of_a_file_begins_and_ends_where_it_does(facts) -> None:
    stretch = facts["without"]["stretch"]
    assert (stretch["start"]["time"], stretch["start"]["clock"]) == (pytest.approx(1, abs=0.01), "0:00")
    assert (stretch["clicked"]["time"], stretch["clicked"]["clock"]) == (pytest.approx(2, abs=0.01), "0:01")
    assert 3 <= stretch["end"]["time"] < 5.9  # the file has six seconds
    assert stretch["end"]["clock"] == "0:02"


def test_two_hours_on_a_phone(facts) -> None:
    phone = facts["phone"]
    first, end = phone["first"], phone["end"]
    assert first["page"] <= 390  # nothing sticks out
    assert first["track"] > 7200
    assert first["canvas"] <= 2 * 390  # only what is visible is drawn
    assert first["elements"] < 10_000
    assert first["tall"] >= 40
    assert phone["tapped"]["clock"] == "0:05"
    assert phone["tip"]
    assert end["clock"] == "1:59:59"
    assert end["left"] > 7200
    assert end["label"] == pytest.approx(first["label"], abs=1)  # labels stay
    assert phone["fitted"]["track"] <= 390
    assert phone["wider"]["track"] > phone["fitted"]["track"]

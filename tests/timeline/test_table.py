"""A timeline on the terminal: bars, their times, and words for what colours say."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from leap_avvp.timeline.table import TimelineTable


def lines(timeline, width: int = 80, encoding: str = "utf-8", **options) -> list[str]:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=width, **options)
    console.print(TimelineTable(timeline))
    file.seek(0)
    return file.read().splitlines()


def test_the_real_video_at_80_columns(make) -> None:
    printed = lines(make())
    assert printed[0] == "BjCEufrlXm4  0:10, zero-shot: YAMNet + EfficientNet-Lite0"
    assert printed[1].split() == [*(f"0:0{second}" for second in range(10)), "max"]
    assert printed[2].split() == ["Dog", "heard", "█" * 12 + "▆" * 6 + "█" * 36 + "·" * 6, "0.99"]
    assert printed[3].split() == [
        "seen",
        "·" * 6 + "▇" * 6 + "·" * 6 + "█" * 12 + "▇" * 6 + "█" * 12 + "▇" * 6 + "█" * 6,
        "0.95",
    ]
    assert printed[4].split()[:2] == ["Speech", "heard"]
    assert printed[5].strip() == "seen   not judged"
    assert printed[1].index("0:05") == printed[4].index("█")  # Speech begins at second 5
    text = " ".join(printed[6:])
    assert "? not judged" in text
    assert "a column is 1 s" in text
    assert "Not judged by eye: Speech." in text
    assert "not LEAP; thresholds not tuned" in text


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("segments", [1, 9, 61, 7200])
def test_no_line_is_wider_than_the_terminal(make_long, width: int, segments: int) -> None:
    printed = lines(make_long(segments, 4, name="n" * 300), width)
    assert max(cell_len(line) for line in printed) <= width


def test_a_column_shows_several_segments_of_a_long_video(make_long) -> None:
    audio = np.zeros((600, 1), np.float32)
    audio[30:60] = 1  # half of the second minute
    audio[300] = 1  # a moment
    printed = lines(make_long(600, 1, audio=audio, audio_on=audio > 0, visual=audio, visual_on=audio > 1), 80)
    assert "a column is 10 s (10 segments)" in " ".join(printed)
    bar = printed[2].split()[2]
    assert len(bar) == 60
    assert bar == "·" * 3 + "█" * 3 + "·" * 24 + "▁" + "·" * 29
    assert printed[1].split() == ["0:00", "2:00", "4:00", "6:00", "8:00", "max"]


def test_colour_adds_nothing_and_no_color_is_honoured(make, monkeypatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = lines(make(), force_terminal=True, color_system="standard", legacy_windows=False)
    assert any("\x1b[36m" in line for line in coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = lines(make(), force_terminal=True, color_system="standard", legacy_windows=False)
    assert not any("\x1b[36m" in line or "\x1b[33m" in line for line in plain)


def test_a_terminal_without_unicode_gets_ascii(make) -> None:
    printed = lines(make(display=("Spréch", "Dog", "Cat"), notes=("kein Ton – nichts gehört",)), encoding="ascii")
    text = "\n".join(printed)
    assert text.isascii()
    assert "#" * 54 + "." * 6 in text
    assert "Spr?ch" in text
    assert "kein Ton ? nichts geh?rt" in text


def test_gaps_in_judging_and_nothing_at_all(make) -> None:
    audio = np.full((10, 3), np.nan, np.float32)
    audio[:5] = 0.1
    unknown = np.full((10, 3), np.nan, np.float32)
    printed = lines(make(audio=audio, visual=unknown))
    assert printed[1] == "Nothing is heard or seen surely enough; below is what is likeliest."
    assert printed[3].split() == ["Speech", "heard", "·" * 30 + "?" * 30, "0.10"]
    assert "Not judged by eye: any class." in printed


def test_markup_and_control_characters_in_names_are_shown(make) -> None:
    printed = lines(make(name="[red]x[/red]\x1b[31m", display=("[bold]", "a\x07b", "Cat")))
    assert printed[0].startswith("[red]x[/red]\N{REPLACEMENT CHARACTER}[31m")
    assert printed[2].startswith("a\N{REPLACEMENT CHARACTER}b")
    assert any(line.startswith("[bold]") for line in printed)


def test_rows_beyond_the_limit_are_counted(make_long) -> None:
    file = io.StringIO()
    timeline = make_long(50, 20)
    Console(file=file, width=80).print(TimelineTable(timeline, limit=10))
    left = sum(timeline.on(how)[:, index].any() for index, how in timeline.shown()[10:])
    assert left == 20
    assert f"{left} more rows with events are left out" in file.getvalue()

"""Progress: a line now and then, and a bar on a terminal alone."""

from __future__ import annotations

import io

import pytest

from leap_avvp.media import display as module
from leap_avvp.media.display import display, rates


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_say_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    file = io.StringIO()
    with display("extract", 1_200, file, every=30) as advance:
        for seconds in (10, 20, 9, 15):
            now[0] += seconds
            advance(8.0)
    assert file.getvalue().splitlines() == [
        "extract: 2 of 1,200 videos, 0.0667 videos/s, 0.533 s of video a second, about 17970 s left"
    ]


def test_a_bar_on_a_terminal_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    file = Terminal()
    with display("extract", 2, file) as advance:
        advance(10.0)
        advance(10.0)
    assert "extract" in file.getvalue()
    assert "2/2" in file.getvalue()
    assert "s of video a second" in file.getvalue()


def test_nothing_to_do_shows_nothing() -> None:
    file = Terminal()
    with display("extract", 0, file):
        pass
    assert file.getvalue() == ""


def test_rates_of_no_time_at_all() -> None:
    assert rates(0, 0.0, 0.0) == "0 videos/s, 0 s of video a second"

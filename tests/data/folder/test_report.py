"""What is told of a folder of simulated videos: that they are, and nothing about the files of the real LLP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from leap_avvp.cli import main
from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.simulate.export import MARKER
from leap_avvp.llp import SPLITS

ABOUT_LLPS_FILES = ("circulate", "known dirt", "rows", "without visual")


@pytest.fixture
def simulated(make_llp_folder: Callable[..., Path]) -> Path:
    root = make_llp_folder()
    (root / MARKER).touch()
    return root


def test_loading_simulated_videos_says_so_in_one_line(simulated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = LLPFolder(simulated)
    for split in SPLITS:
        source.load(split)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("annotations: ")]
    assert told == ["annotations: of SIMULATED videos, not comparable with LLP"]
    assert source.dirt.rows, "they are counted all the same"


def test_checking_simulated_videos_counts_no_dirt_of_llp(simulated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(simulated)]) == 0
    out = capsys.readouterr().out
    assert out.count("SIMULATED") == 1
    assert out.endswith("every file is there and sound\n")
    assert not [words for words in ABOUT_LLPS_FILES if words in out]
    (simulated / MARKER).unlink()
    assert main(["data", "check", str(simulated)]) == 0
    out = capsys.readouterr().out
    assert not [words for words in ABOUT_LLPS_FILES if words not in out]


def test_a_missing_file_of_simulated_videos_is_told(simulated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    next((simulated / "feats" / "vggish").glob("*val*.npy")).unlink()
    assert main(["data", "check", str(simulated)]) == 1
    assert "1 missing files: " in capsys.readouterr().out

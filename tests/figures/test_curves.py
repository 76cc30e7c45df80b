"""Learning curves, from the CSV logger's file to the lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.figures.curves import MONITOR, learning_curves, read_curves
from leap_avvp.figures.save import SIMULATED

LOG = f"""\
epoch,step,test/average,train/loss/total,train/loss/avss,{MONITOR}
0,1,,3.0,0.5,
0,3,,2.0,0.25,
0,3,,,,20.0
1,5,,1.5,0.125,
1,7,,,,40.0
2,11,,,,40.0
2,12,33.0,,,
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "metrics.csv").write_text(LOG)
    return tmp_path


def test_a_log_is_read_with_epochs_from_steps(folder: Path) -> None:
    curves = read_curves(folder, "LEAP")
    assert curves is not None
    assert curves.losses == {
        "total": [(0.5, 3.0), (1.0, 2.0), (1.5, 1.5)],
        "avss": [(0.5, 0.5), (1.0, 0.25), (1.5, 0.125)],
    }
    assert curves.scores == {MONITOR: [(1.0, 20.0), (2.0, 40.0), (3.0, 40.0)]}


def test_a_run_without_a_log_has_no_curves(tmp_path: Path) -> None:
    assert read_curves(tmp_path, "LEAP") is None


@pytest.mark.parametrize("text", ["a,b\n1,2\n", LOG.replace("1,5,", "1,five,"), "step,epoch\n1,2,3\n", "\0\n\0"])
def test_a_damaged_log_is_named(folder: Path, text: str) -> None:
    (folder / "csv" / "metrics.csv").write_text(text)
    with pytest.raises(DataError, match=r"metrics\.csv: expected numbers"):
        read_curves(folder, "LEAP")


def test_lines_are_the_numbers_and_the_last_best_epoch_is_marked(folder: Path) -> None:
    curves = read_curves(folder, "LEAP")
    figure = learning_curves([curves], "simulated")
    titles = {axis.get_title(): axis for axis in figure.axes}
    assert list(titles) == [f"{MONITOR} (%)", "loss: total", "loss: avss"]
    score, best = titles[f"{MONITOR} (%)"].lines
    np.testing.assert_array_equal(score.get_xydata(), [(1, 20), (2, 40), (3, 40)])
    np.testing.assert_array_equal(best.get_xydata(), [(3, 40)])
    (loss,) = titles["loss: avss"].lines
    np.testing.assert_array_equal(loss.get_xydata(), [(0.5, 0.5), (1, 0.25), (1.5, 0.125)])
    assert SIMULATED in [text.get_text() for text in figure.texts]


def test_two_runs_differ_in_colour_and_line(folder: Path) -> None:
    figure = learning_curves([read_curves(folder, label) for label in ("MMIL", "LEAP")], "llp")
    one, other = figure.axes[1].lines
    assert one.get_color() != other.get_color()
    assert one.get_linestyle() != other.get_linestyle()
    assert [text.get_text() for text in figure.legends[0].texts] == ["MMIL", "LEAP"]
    assert not any("SIMULATED" in text.get_text() for text in figure.texts)


def test_no_run_and_three_are_refused(folder: Path) -> None:
    curves = read_curves(folder, "LEAP")
    for runs in ([], [curves] * 3):
        with pytest.raises(ConfigError, match="expected 1 to 2 runs"):
            learning_curves(runs, "llp")


def test_a_real_log_has_all_terms(trained) -> None:
    curves = read_curves(trained["leap"], "LEAP")
    assert curves is not None
    assert {"total", "avss", "segment_audio", "video_union"} <= set(curves.losses)
    assert [epoch for epoch, _ in curves.scores[MONITOR]] == [1, 2, 3]
    assert [epoch for epoch, _ in curves.losses["total"]] == [0.5, 1, 1.5, 2, 2.5, 3]


def test_the_means_of_each_epoch_stand_in_for_the_log(tmp_path: Path) -> None:
    text = f"epoch,step,train/loss/total,{MONITOR}\n0,3,2.5,20.0\n1,7,1.5,40.0\n"
    (tmp_path / "history.csv").write_text(text)
    curves = read_curves(tmp_path, "LEAP")
    assert curves is not None
    assert curves.losses == {"total": [(1.0, 2.5), (2.0, 1.5)]}
    assert curves.scores == {MONITOR: [(1.0, 20.0), (2.0, 40.0)]}

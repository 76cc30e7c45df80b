"""Differences between the rows of a study, from the videos that its runs kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.scoring.per_video import PER_VIDEO_FILE, read_per_video, write_per_video
from leap_avvp.studies import reproduce
from leap_avvp.studies.comparisons import compare_rows
from leap_avvp.studies.plan import make_plan
from leap_avvp.studies.spec import load_study, lookup, parse_study
from leap_avvp.studies.sweep import inspect_plan
from leap_avvp.studies.tables import build_table


def run_all(fake, gains: dict[float, float], seeds=(0,), ids=None) -> None:
    """Leave finished cells of Table 6 whose videos score 50 % plus a gain."""
    rng = np.random.default_rng(0)
    base = 0.5 + 0.2 * rng.standard_normal(200)
    for cell in make_plan("table6", seeds=seeds).cells:
        weight = float(lookup(cell.config, "loss.avss_weight"))
        path = fake.write_run(cell, 50.0)
        noise = np.random.default_rng(cell.seed).normal(0, 0.02, 200)
        values = {key: base + gains[weight] / 100 + noise for key in fake.keys}
        write_per_video(path.parent / PER_VIDEO_FILE, ids or [f"video{i:06d}" for i in range(200)], values)


def table(seeds=(0,)):
    plan = make_plan("table6", seeds=seeds)
    return build_table(load_study("table6"), inspect_plan(plan)[0], "simulated")


def test_a_clear_difference_and_one_within_noise(fake) -> None:
    run_all(fake, {0.5: -3.0, 1.0: 0.0, 2.0: 0.0}, seeds=(0, 1))
    clear, noise = compare_rows(table(seeds=(0, 1)))
    assert (clear.first, clear.second) == ("λ = 1", "λ = 0.5")
    assert clear.differences["average"].mean == pytest.approx(3.0)
    assert clear.differences["average"].word == "higher"
    assert noise.differences["segment/audio"].word == "within noise"


def test_outputs_state_the_word_and_the_interval(fake, capsys: pytest.CaptureFixture[str]) -> None:
    run_all(fake, {0.5: -3.0, 1.0: 0.0, 2.0: 0.0})
    assert reproduce("table6", runner=fake.Training()) == 0
    out = Path("outputs/table6-simulated")
    text = (out / "table6.md").read_text()
    assert "| λ = 1 against λ = 0.5: Avg. | +3.0 | +3.0 to +3.0 | higher |" in text
    assert "| λ = 1 against λ = 2: Avg. | +0.0 | +0.0 to +0.0 | within noise |" in text
    assert "with one training seed they say nothing about another training's luck" in text
    assert "SIMULATED, measured" in text
    assert "λ = 1 - λ = 0.5" in (out / "table6.csv").read_text()
    assert "within noise" in capsys.readouterr().out


def test_runs_without_their_videos_say_so(fake) -> None:
    for cell in make_plan("table6").cells:
        fake.write_run(cell, 50.0)
    assert all("no such file" in found.problem for found in compare_rows(table()))


def test_other_videos_are_not_compared(fake) -> None:
    run_all(fake, {0.5: 0, 1.0: 0, 2.0: 0})
    path = next(cell.folder / PER_VIDEO_FILE for cell in make_plan("table6").cells if "=0.5" in cell.label)
    found = read_per_video(path)
    write_per_video(path, [name[::-1] for name in found.video_ids], found.scores)
    assert "tested on different videos" in compare_rows(table())[0].problem


def test_per_video_files_are_checked(tmp_path: Path) -> None:
    path = tmp_path / PER_VIDEO_FILE
    write_per_video(path, ["a", "b"], {"segment/audio": np.array([0.0, 1.0]), "event/audio": np.array([0.5, 0.5])})
    found = read_per_video(path)
    assert found.values("average").tolist() == [25.0, 75.0]
    assert found.values("segment/audio").tolist() == [0.0, 100.0]
    content = path.read_bytes()
    path.write_bytes(content[:50])
    with pytest.raises(DataError, match="damaged"):
        read_per_video(path)


SMALL = """
title: Small
source: a paper
columns: {average: Avg.}
rows:
  - {label: one, match: {loss.avss_weight: 1}}
"""


@pytest.mark.parametrize("line", ["compare: [[one, two]]", "compare: [one]", "compare: [[one]]"])
def test_a_pair_must_name_two_rows(line: str) -> None:
    with pytest.raises(ConfigError, match=r"experiments/small.yaml: compare"):
        parse_study("small", SMALL + line)

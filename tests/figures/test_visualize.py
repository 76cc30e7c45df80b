"""`leap-avvp visualize`: what is drawn is the model's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from leap_avvp.cli import main
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.figures.palette import class_colour, class_hatch
from leap_avvp.figures.parsed import Inside, ParsedVideo, draw_parsed_video, runs_of
from leap_avvp.figures.pick import pick_videos
from leap_avvp.figures.runs import open_run, parse_video
from leap_avvp.figures.summary import class_bars, error_bars, read_curves
from leap_avvp.metrics import per_video_scores


def test_the_attention_is_the_decoders_own(runs: dict[str, Path]) -> None:
    run = open_run(runs["leap"])
    identity = run.test.video_ids[3]
    video = parse_video([run], identity)
    batch = run.test[[3]]
    with torch.inference_mode():
        out = run.parser(audio=batch["audio"], video_2d=batch["video_2d"], video_3d=batch["video_3d"])
    assert video.inside is not None
    for name in ("audio", "visual"):
        attention = video.inside.attention[name]
        assert attention.shape == (25, 10)
        np.testing.assert_array_equal(attention, out[f"{name}_attention"][0].mean(dim=0).numpy())
        np.testing.assert_allclose(attention.sum(axis=1), 1, atol=1e-5)
        np.testing.assert_array_equal(video.inside.probability[name], out[f"segment_{name}_prob"][0].numpy())
        # The bars are the run's own predictions, under its own protocol.
        expected = run.protocol.apply(out)[("audio", "visual").index(name)][0].numpy()
        np.testing.assert_array_equal(video.predictions["LEAP"][name], expected)


def test_the_figure_shows_every_event_framed(runs: dict[str, Path]) -> None:
    video = parse_video([open_run(runs["mmil"]), open_run(runs["leap"])], open_run(runs["leap"]).test.video_ids[0])
    figure = draw_parsed_video(video)
    assert list(video.predictions) == ["MMIL", "LEAP"]
    assert "SIMULATED" in figure.get_suptitle()
    top, bottom = figure.subfigs
    assert [text.get_text() for text in top.axes[0].get_yticklabels()] == ["GT", "MMIL", "LEAP"]
    events = {name: len(runs_of(grid)) for name, grid in video.truth.items()}
    maps = [axis for axis in bottom.axes if axis.images and "colorbar" not in axis.get_label()]
    assert [len(axis.patches) for axis in maps] == [events["audio"]] * 3 + [events["visual"]] * 3
    scales = [axis.images[0].get_clim() for axis in maps]
    assert scales[:3] == scales[3:], "one scale a kind"


def test_command_writes_png_and_svg(runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["visualize", "--run", str(runs["leap"]), "--compare", str(runs["mmil"]), "--out", str(tmp_path)]
    assert main([*words, "--pick", "disagreement", "--count", "2", "--summary"]) == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len([name for name in names if name.startswith("video_")]) == 4
    assert {"classes.png", "classes.svg", "curves.png", "mistakes.png"} <= set(names)
    first = next(path for path in tmp_path.glob("video_*.png"))
    assert first.read_bytes().startswith(b"\x89PNG")
    content = {path.name: path.read_bytes() for path in tmp_path.glob("video_*.png")}
    assert main([*words, "--pick", "disagreement", "--count", "2"]) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.glob("video_*.png")} == content


def test_picks(runs: dict[str, Path]) -> None:
    leap, mmil = open_run(runs["leap"]), open_run(runs["mmil"])
    grids = [torch.from_numpy(grid) for grid in (*leap.predictions.values(), *leap.truth.values())]
    means = torch.stack(list(per_video_scores(*grids).values())).mean(dim=0)
    assert pick_videos([leap], "worst", 1) == [leap.test.video_ids[int(means.argmin())]]
    differ = [
        sum(int((leap.predictions[n][row] != mmil.predictions[n][row]).sum()) for n in ("audio", "visual"))
        for row in range(len(leap.test))
    ]
    assert pick_videos([leap, mmil], "disagreement", 1) == [leap.test.video_ids[int(np.argmax(differ))]]
    overlap = [sum(int((grid[row].sum(1) > 1).sum()) for grid in leap.truth.values()) for row in range(len(leap.test))]
    found = [overlap[leap.row(name)] for name in pick_videos([leap], "overlapping", len(leap.test))]
    assert found == sorted(overlap, reverse=True)
    with pytest.raises(ConfigError, match="--compare"):
        pick_videos([leap], "disagreement", 1)


def test_summary_figures_hold_the_numbers(runs: dict[str, Path]) -> None:
    both = [open_run(runs["leap"]), open_run(runs["mmil"])]
    assert "SIMULATED" in class_bars(both).get_suptitle()
    axis = error_bars(both[:1]).axes[0]
    widths = {bar.get_label(): bar for bar in axis.containers}
    said = sum(int(grid.sum()) for grid in both[0].predictions.values())
    shown = sum(patch.get_width() for label, bars in widths.items() if "missed" not in label for patch in bars)
    assert shown == said
    curves = read_curves(runs["leap"])
    assert len(curves["val/segment/type_av"][1]) == 2
    assert curves["val/segment/type_av"][0] == [3, 6], "steps"
    with pytest.raises(DataError, match="no curves to read"):
        read_curves(runs["leap"] / "checkpoints")


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ([], "name a video with --video"),
        (["--video", "nobody"], "is not among the 12 test videos"),
        (["--pick", "disagreement"], "--compare"),
        (["--pick", "worst", "--count", "0"], "--count"),
    ],
)
def test_mistakes_are_one_line(
    runs: dict[str, Path], words: list[str], match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["visualize", "--run", str(runs["leap"]), *words]) == 2
    error = capsys.readouterr().err
    assert match in error
    assert error.count("\n") == 1


def test_a_folder_without_a_finished_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["visualize", "--run", str(tmp_path), "--pick", "worst"]) == 2
    assert "no finished run" in capsys.readouterr().err


def test_every_class_looks_its_own() -> None:
    assert len({(class_colour(index), class_hatch(index)) for index in range(25)}) == 25


def test_runs_and_a_video_without_events() -> None:
    grid = np.zeros((10, 25), dtype=np.bool_)
    grid[0:3, 4] = grid[9, 4] = grid[5:6, 2] = True
    assert runs_of(grid) == [(2, 5, 1), (4, 0, 3), (4, 9, 1)]
    empty = {"audio": np.zeros((10, 25), dtype=np.bool_), "visual": np.zeros((10, 25), dtype=np.bool_)}
    values = {name: np.full((25, 10), 0.1, dtype=np.float32) for name in empty}
    inside = Inside(values, {name: value.T for name, value in values.items()})
    assert draw_parsed_video(ParsedVideo("nothing", empty, {"LEAP": empty}, inside)).subfigs

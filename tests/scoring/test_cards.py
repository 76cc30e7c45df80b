"""Scores of predictions on other cards than LLP's: any segments and classes, ids of any kind."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from rich.console import Console

from leap_avvp.card import LLP, DataCard
from leap_avvp.cli import main
from leap_avvp.data.annotations import SplitAnnotations, read_annotations, write_annotations
from leap_avvp.errors import DataError
from leap_avvp.metrics import ParsingMetrics
from leap_avvp.scoring.predictions import read_predictions, score_predictions, write_predictions


def own_card(segments: int = 6, classes: int = 40, **changes: Any) -> DataCard:
    names = tuple(f"class {number}" for number in range(classes))
    weak = {split: f"{split}.csv" for split in ("train", "val", "test")}
    card = dataclasses.replace(LLP, name="own", classes=names, display=names, segments=segments, ids="filename")
    return dataclasses.replace(card, weak=weak, dense={"audio": "a.csv", "visual": "v.csv"}, **changes)


def card_file(path: Path, card: DataCard) -> Path:
    content = {**card.to_dict(), "classes": list(card.classes)}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def own_annotations(folder: Path, card: DataCard, videos: int = 5) -> SplitAnnotations:
    """Write annotations of some videos, whose ids are no 11 characters, and return those of the test split."""
    rng = np.random.default_rng(0)
    shape = (videos, card.segments, card.num_classes)
    audio, visual = (rng.random(shape) < 0.2 for _ in range(2))
    audio[:, 0, 0] = True
    names = [f"street corner/Ümlaut {number}" if number else "x" for number in range(videos)]
    names = [name.replace("/", "-") for name in names]
    weak = audio.any(axis=1) | visual.any(axis=1)
    test = SplitAnnotations("test", names, weak, audio, visual, card)
    val = SplitAnnotations("val", ["v"], weak[:1], audio[:1], visual[:1], card)
    write_annotations(folder, {"val": val, "test": test}, card)
    return read_annotations(folder, ("test",), card=card)[0]["test"]


@pytest.mark.parametrize("where", ["beside the annotations", "around them", "named"])
def test_the_card_of_the_annotations_is_found(tmp_path: Path, where: str) -> None:
    card, folder = own_card(), tmp_path / "data" / "annotations"
    truth = own_annotations(folder, card)
    place = {"beside the annotations": folder, "around them": folder.parent, "named": tmp_path}[where]
    path = card_file(place / ("dataset.yaml" if where != "named" else "mine.yaml"), card)
    write_predictions(tmp_path / "p.npz", video_ids=truth.filenames, audio=truth.audio, visual=truth.visual, card=card)
    result = score_predictions(tmp_path / "p.npz", folder, card=path if where == "named" else None)
    assert (result.scores["average"], result.videos, result.data_source) == (100, 5, "own")
    assert result.audio_annotations is None, "no version of LLP's file"
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(result.table())
    text = console.export_text()
    assert "test: 5 of 5 videos of own" in text
    assert "audio annotations" not in text
    assert score_predictions(tmp_path / "p.npz", folder, card=card).scores == result.scores


@pytest.mark.parametrize(("segments", "classes"), [(1, 1), (10, 28), (60, 100), (600, 2), (10, 527)])
def test_scores_of_any_size_are_those_of_the_metrics(tmp_path: Path, segments: int, classes: int) -> None:
    card = own_card(segments, classes)
    truth = own_annotations(tmp_path / "annotations", card)
    rng = np.random.default_rng(1)
    audio, visual = (grid ^ (rng.random(grid.shape) < 0.4) for grid in (truth.audio, truth.visual))
    order = rng.permutation(len(truth.filenames))
    ids = [truth.filenames[place] for place in order]
    write_predictions(tmp_path / "p.npz", video_ids=ids, audio=audio[order], visual=visual[order])
    said = score_predictions(tmp_path / "p.npz", tmp_path / "annotations", card=card).scores
    metrics = ParsingMetrics()
    metrics.update(*(torch.from_numpy(grid) for grid in (audio, visual, truth.audio, truth.visual)))
    assert said == {name: float(value) for name, value in metrics.compute().items()}
    assert said["segment/audio"] < 100


def test_filters_work_for_another_card(tmp_path: Path) -> None:
    card = own_card()
    truth = own_annotations(tmp_path / "annotations", card)
    levels = {"video": truth.weak, "video_audio": truth.audio.any(axis=1), "video_visual": truth.visual.any(axis=1)}
    path = tmp_path / "p.npz"
    write_predictions(path, video_ids=truth.filenames, audio=truth.audio, visual=truth.visual, card=card, **levels)
    for filter in ("none", "union", "per_modality"):
        result = score_predictions(path, tmp_path / "annotations", filter=filter, card=card)
        assert result.scores["average"] == 100


def test_ids_in_bytes_may_hold_any_letter(tmp_path: Path) -> None:
    card = own_card()
    truth = own_annotations(tmp_path / "annotations", card)
    ids = np.array([name.encode() for name in truth.filenames])
    np.savez(tmp_path / "p.npz", video_id=ids, audio=truth.audio, visual=truth.visual)
    assert score_predictions(tmp_path / "p.npz", tmp_path / "annotations", card=card).scores["average"] == 100


@pytest.mark.parametrize(
    ("shape", "found"), [((10, 25), r"\(5, 10, 25\)"), ((6, 39), r"\(5, 6, 39\)"), ((7, 40), r"\(5, 7, 40\)")]
)
def test_predictions_of_another_size_are_named_with_the_cards(
    tmp_path: Path, shape: tuple[int, int], found: str
) -> None:
    card = own_card()
    truth = own_annotations(tmp_path / "annotations", card)
    grid = np.zeros((5, *shape), dtype=bool)
    write_predictions(tmp_path / "p.npz", video_ids=truth.filenames, audio=grid, visual=grid)
    message = (
        rf"p\.npz: audio: expected shape \(5, 6, 40\), found {found}; the data card own has 6 segments and 40 classes"
    )
    with pytest.raises(DataError, match=message):
        score_predictions(tmp_path / "p.npz", tmp_path / "annotations", card=card)
    with pytest.raises(DataError, match=message):
        read_predictions(tmp_path / "p.npz", card)
    names, audio, _ = read_predictions(tmp_path / "p.npz")
    assert (names, audio.shape) == (truth.filenames, (5, *shape)), "who asks for none gets what the file holds"


def test_what_does_not_fit_the_card_or_itself_is_not_written(tmp_path: Path) -> None:
    grid = np.zeros((2, 6, 40), dtype=bool)
    for options, message in (
        ({"card": own_card(6, 41)}, r"audio: expected boolean \(2, 6, 41\), found bool \(2, 6, 40\)"),
        ({"visual": grid[:, :5]}, r"visual: expected boolean \(2, 6, 40\), found bool \(2, 5, 40\)"),
        ({"video": grid[:, 0, :3]}, r"video: expected boolean \(2, 40\), found bool \(2, 3\)"),
        ({"audio": grid[:, 0]}, r"audio: expected boolean \(videos, segments, classes\), found bool \(2, 40\)"),
    ):
        with pytest.raises(ValueError, match=message):
            write_predictions(tmp_path / "p.npz", **{"video_ids": ["a", "b"], "audio": grid, "visual": grid, **options})
    assert not (tmp_path / "p.npz").exists()


def test_a_file_may_be_as_large_as_its_card_and_not_larger(tmp_path: Path) -> None:
    card = own_card(600, 1000)
    large = dataclasses.replace(card, weak={"test": "test.csv"})
    write_annotations(tmp_path, {"test": SplitAnnotations("test", ["a"], *few(large))}, large)
    header = io.BytesIO()  # 192 MB, of a card with one video
    np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": (40, 600, 1000)})
    ids = io.BytesIO()
    np.save(ids, np.array(["a"] * 40))
    with zipfile.ZipFile(tmp_path / "p.npz", "w") as archive:
        archive.writestr("video_id.npy", ids.getvalue())
        for name in ("audio", "visual"):
            archive.writestr(f"{name}.npy", header.getvalue())
    with pytest.raises(DataError, match=r"audio: expected one row a video, found int64 \(40, 600, 1000\)"):
        score_predictions(tmp_path / "p.npz", tmp_path, card=large)
    with pytest.raises(DataError, match=r"cannot read it"):  # the data are missing, but may be as large as that
        read_predictions(tmp_path / "p.npz")


def few(card: DataCard) -> tuple[Any, ...]:
    grid = np.zeros((1, card.segments, card.num_classes), dtype=bool)
    grid[0, 0, 0] = True
    return grid.any(axis=1), grid, grid, card


def test_a_card_without_dense_labels_or_the_split_cannot_be_scored(tmp_path: Path) -> None:
    card = own_card()
    own_annotations(tmp_path / "annotations", card)
    grid = np.zeros((1, 6, 40), dtype=bool)
    write_predictions(tmp_path / "p.npz", video_ids=["x"], audio=grid, visual=grid)
    without = dataclasses.replace(card, dense={})
    with pytest.raises(DataError, match="annotations: no dense labels for test: the card own names none"):
        score_predictions(tmp_path / "p.npz", tmp_path / "annotations", card=without)
    with pytest.raises(DataError, match="own: the data card names no file of test videos"):
        score_predictions(tmp_path / "p.npz", tmp_path / "annotations", card=dataclasses.replace(card, weak={}))


def test_the_command_takes_a_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = own_card()
    truth = own_annotations(tmp_path / "annotations", card)
    write_predictions(tmp_path / "p.npz", video_ids=truth.filenames, audio=truth.audio, visual=truth.visual)
    words = ["score", "--predictions", str(tmp_path / "p.npz"), "--annotations", str(tmp_path / "annotations")]
    path = card_file(tmp_path / "mine.yaml", card)
    assert main([*words, "--card", str(path), "--json", str(tmp_path / "s.json")]) == 0
    assert json.loads((tmp_path / "s.json").read_text())["data_source"] == "own"
    capsys.readouterr()
    llp = np.zeros((5, 10, 25), dtype=bool)
    write_predictions(tmp_path / "p.npz", video_ids=truth.filenames, audio=llp, visual=llp)
    assert main([*words, "--card", str(path)]) == 2
    line = capsys.readouterr().err
    assert "expected shape (5, 6, 40), found (5, 10, 25)" in line
    assert "--card FILE names another" in line
    assert len(line.splitlines()) == 1
    assert main([*words, "--card", str(tmp_path / "nothing.yaml")]) == 2
    assert "nothing.yaml: no such data card" in capsys.readouterr().err

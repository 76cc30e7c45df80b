"""What a run's end tells its logger: the same scalars everywhere, classes and videos, and no run lost to a logger."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch.loggers import CSVLogger, Logger

from leap_avvp.card import LLP, DataCard
from leap_avvp.cli import main
from leap_avvp.data.datamodule import simulated_data
from leap_avvp.llp import CLASSES
from leap_avvp.metrics import SCORE_NAMES
from leap_avvp.tracking.dashboards import HighestScores, finishing, log_results, per_class_rows, start_run
from leap_avvp.tracking.run_images import choose_videos, draw_video, to_rgb

WORDS = (
    *("encoder=han", "encoder.dim=32", "encoder.feed_forward_dim=32", "decoder=mmil", "decoder.dim=32"),
    *("data.num_train=16", "data.num_val=4", "data.num_test=6", "data.batch_size=8", "data.schedule.max_epochs=2"),
    *("trainer=cpu", "trainer.log_every_n_steps=1", "hydra.run.dir=run"),
)
SCORES = (*SCORE_NAMES, "average")


def csv_scalars() -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    with Path("run/csv/metrics.csv").open() as file:
        for row in csv.DictReader(file):
            for name, text in row.items():
                if text:
                    found.setdefault(name, []).append(float(text))
    return found


def tensorboard_scalars() -> dict[str, list[float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator("run/tensorboard", size_guidance={"scalars": 0, "images": 0, "tensors": 0}).Reload()
    return {name: [event.value for event in events.Scalars(name)] for name in events.Tags()["scalars"]}


def check_scalars(found: dict[str, list[float]]) -> None:
    result = json.loads(Path("run/metrics.json").read_text())
    for name in SCORES:
        assert found[f"test/{name}"] == pytest.approx([result["test"][name]], abs=1e-4)
        assert found[f"best/{name}"] == pytest.approx([result["validation"][name]], abs=1e-4)
        assert len(found[f"val/{name}"]) == 2, "one an epoch"
    assert found["best/epoch"] == [result["best_epoch"]]
    assert found["val/segment/type_av"][result["best_epoch"] - 1] == pytest.approx(found["best/segment/type_av"][0])
    for term in ("total", "avss", "video_audio", "video_visual", "video_union", "segment_audio", "segment_visual"):
        assert len(found[f"train/loss/{term}"]) == 4, "one a step"


def test_csv_has_the_same_scalars(no_wandb_key):
    assert main(["train", *WORDS, "logger=csv"]) == 0
    check_scalars(csv_scalars())


def test_tensorboard_has_the_same_scalars_and_classes_and_videos(no_wandb_key):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert main(["train", *WORDS, "logger=tensorboard"]) == 0
    check_scalars(tensorboard_scalars())
    events = EventAccumulator("run/tensorboard").Reload()
    assert sorted(events.Tags()["images"]) == [f"test/parsed_videos/{place}" for place in range(4)]
    (text,) = events.Tensors("test/per_class/text_summary")
    lines = text.tensor_proto.string_val[0].decode().splitlines()
    assert len(lines) == 2 + len(CLASSES)
    assert all("SIMULATED" in line for line in lines[2:])


def test_a_logger_that_fails_at_the_end_is_one_line_and_no_lost_run(no_wandb_key, monkeypatch, capsys):
    original = CSVLogger.log_metrics

    def fail(self: CSVLogger, metrics: dict[str, float], step: int | None = None) -> None:
        if "best/epoch" in metrics:
            raise OSError("disk full\nand more")
        original(self, metrics, step)

    monkeypatch.setattr(CSVLogger, "log_metrics", fail)
    assert main(["train", *WORDS, "logger=csv"]) == 0
    assert "CSVLogger: end of run not logged (OSError: disk full)\n" in capsys.readouterr().err
    assert Path("run/metrics.json").is_file()


def test_without_a_logger_nothing_is_done():
    start_run(False, {}, "simulated")
    log_results(False, {}, {}, None, {}, 0)  # type: ignore[arg-type]
    with finishing(False):
        pass


class _Recorder(Logger):
    def __init__(self) -> None:
        super().__init__()
        self.params: dict[str, Any] = {}
        self.scalars: dict[str, float] = {}

    name = version = None

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        self.params |= params

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self.scalars |= metrics


def test_any_logger_gets_the_origin_and_the_best_scores():
    logger = _Recorder()
    start_run(logger, {"config": {"seed": 3}, "config_hash": "abc"}, "llp")
    assert logger.params == {"seed": 3, "config_hash": "abc", "data_source": "llp"}
    log_results(logger, {"validation": {"average": 5.0}, "best_epoch": 7}, {}, None, {}, 0)  # type: ignore[arg-type]
    assert logger.scalars == {"best/epoch": 7.0, "best/average": 5.0}


def test_the_highest_scores_survive_a_checkpoint():
    class _Trainer:
        sanity_checking = False
        callback_metrics: dict[str, float] = {}  # noqa: RUF012

    before, after, trainer = HighestScores(), HighestScores(), _Trainer()
    trainer.callback_metrics = {"val/a": 3.0, "val/b": 1.0, "train/loss/total": 9.0}
    before.on_validation_end(trainer, None)  # type: ignore[arg-type]
    after.load_state_dict(before.state_dict())
    trainer.callback_metrics = {"val/a": 2.0, "val/b": 4.0}
    after.on_validation_end(trainer, None)  # type: ignore[arg-type]
    assert after.values == {"val/a": 3.0, "val/b": 4.0}
    assert before.values == {"val/a": 3.0, "val/b": 1.0}
    trainer.sanity_checking = True
    trainer.callback_metrics = {"val/a": 100.0}
    after.on_validation_end(trainer, None)  # type: ignore[arg-type]
    assert after.values["val/a"] == 3.0


def grids(videos: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return np.zeros((videos, 10, 25), bool), np.zeros((videos, 10, 25), bool)


def test_the_rows_of_the_classes():
    truth, said = grids(2), grids(2)
    truth[0][0, :4, 0] = True  # speech is heard for four seconds
    said[0][0, :2, 0] = True
    said[1][1, 5, 24] = True  # clapping is seen, and nowhere true
    rows = {row[0]: row[1:] for row in per_class_rows(said, truth, "SIMULATED")}
    assert list(rows) == list(CLASSES)
    assert rows["Speech"][:3] == ["SIMULATED", 4, 0]
    assert rows["Speech"][3] == pytest.approx(200 * 2 / (2 * 2 + 2))
    assert rows["Speech"][4] is None
    assert rows["Clapping"][4] == 0.0
    assert rows["Dog"] == ["SIMULATED", 0, 0, *[None] * 6]
    assert not any(isinstance(value, float) and math.isnan(value) for row in rows.values() for value in row)


def test_the_videos_with_most_events_are_shown_and_ties_go_to_the_first():
    audio, visual = grids(4)
    audio[1, 0, :2] = visual[1, 0, 0] = True
    audio[3, 0, :3] = True
    audio[2, :, 0] = True
    assert choose_videos(audio, visual, 3) == [1, 3, 2]
    assert choose_videos(audio, visual, 9) == [1, 3, 2, 0]


def test_a_video_is_drawn_with_its_truth_and_prediction():
    truth, said = grids(1), grids(1)
    truth[0][0, :, 3] = True
    said[1][0, 2:4, 5] = True
    figure = draw_video("abc (SIMULATED data)", (truth[0][0], truth[1][0]), (said[0][0], said[1][0]))
    assert figure.get_suptitle() == "abc (SIMULATED data)"
    heard, seen = figure.axes
    assert [label.get_text() for label in heard.get_yticklabels()] == ["Dog", "Frying (food)"]
    assert [len(bars.get_paths()) for bars in heard.collections] == [10, 0, 0, 0]
    assert [len(bars.get_paths()) for bars in seen.collections] == [0, 0, 0, 2]
    (bounds,) = {path.get_extents().bounds[:1] for path in seen.collections[3].get_paths()[:1]}
    assert bounds == (2.0,)
    assert heard.get_ylim() == (1.5, -0.5)
    pixels = to_rgb(figure)
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.dtype == np.uint8
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10


def test_figures_of_one_gallery_can_be_of_one_size():
    empty = grids(1)[0][0]
    one, other = (draw_video("a", (empty, empty), (empty, empty), rows) for rows in (7, 1))
    assert to_rgb(one).shape[0] > to_rgb(other).shape[0]
    busy = empty.copy()
    busy[:, :7] = True
    assert to_rgb(draw_video("b", (busy, empty), (empty, busy))).shape == to_rgb(one).shape


def test_the_truth_follows_the_predictions_order():
    from leap_avvp.tracking.dashboards import _truth

    videos = simulated_data(num_train=2, num_val=1, num_test=3).dataset("test")
    audio, _ = _truth(list(reversed(videos.video_ids)), videos)
    assert np.array_equal(audio, videos.tensors["target_audio"].numpy()[::-1])
    assert not np.array_equal(audio, audio[::-1])


# Other cards


def own_card(classes: int, segments: int, seconds: float = 1.0) -> DataCard:
    names = tuple(f"class_{number}" for number in range(classes))
    display = ("a|b $5 and $6", *(f"Class no. {number}" for number in range(1, classes)))
    return dataclasses.replace(
        LLP, name="own", classes=names, display=display, segments=segments, seconds=seconds, ids="filename"
    )


def own_grids(card: DataCard, videos: int = 1) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    shape = (videos, card.segments, card.num_classes)
    return np.zeros(shape, bool), np.zeros(shape, bool)


def test_the_rows_of_another_card_have_its_names():
    card = own_card(100, 60)
    truth, said = own_grids(card, 2), own_grids(card, 2)
    truth[0][0, :30, 99] = said[0][0, :30, 99] = True
    rows = per_class_rows(said, truth, "own", card)
    assert [row[0] for row in rows] == list(card.display)
    assert rows[99] == ["Class no. 99", "own", 30, 0, 100.0, None, None, 100.0, None, None]


def test_a_video_of_another_card_is_drawn_in_seconds():
    card = own_card(3, 60, 0.5)
    truth, said = own_grids(card), own_grids(card)
    truth[0][0, 10:20, 0] = True
    figure = draw_video("v (own data)", (truth[0][0], truth[1][0]), (said[0][0], said[1][0]), card=card)
    heard, _ = figure.axes
    assert [label.get_text() for label in heard.get_yticklabels()] == ["a|b $5 and $6"]
    assert heard.get_xlim() == (0, 30)
    bars = [path.get_extents().bounds for path in heard.collections[0].get_paths()]
    assert [(start, width) for start, _, width, _ in bars] == [(5 + place / 2, 0.5) for place in range(10)]
    to_rgb(figure)  # no formula is read; warnings are errors here


@pytest.mark.parametrize(("classes", "segments", "seconds"), [(1, 1, 10.0), (1, 600, 1.0), (527, 10, 0.96)])
def test_a_video_of_any_size_is_drawn(classes: int, segments: int, seconds: float):
    card = own_card(classes, segments, seconds)
    full = own_grids(card)[0][0] | True
    figure = draw_video("v", (full, full), (full, full), card=card)
    assert len(figure.axes[0].get_yticks()) == min(classes, 30)
    assert figure.axes[0].get_xlim() == (0, pytest.approx(card.duration))
    assert to_rgb(figure).shape[0] < 1500


def test_of_many_classes_those_that_last_longest_are_drawn_and_the_title_says_so():
    card = own_card(100, 60)
    truth, said = own_grids(card), own_grids(card)
    truth[0][0, :1, 77] = True  # true, if for one segment alone
    for label in range(40):
        said[1][0, : 10 + label, label] = True
    figure = draw_video("v", (truth[0][0], truth[1][0]), (said[0][0], said[1][0]), card=card)
    assert figure.get_suptitle() == "v: 30 of 41 classes"
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [f"Class no. {label}" for label in (*range(11, 40), 77)]


def test_a_long_name_is_cut():
    card = dataclasses.replace(own_card(1, 10), display=("W" * 200,))
    full = own_grids(card)[0][0] | True
    (name,) = draw_video("v", (full, full), (full, full), card=card).axes[0].get_yticklabels()
    assert name.get_text() == "W" * 27 + "…"


def test_a_run_on_another_card_logs_its_classes_and_videos(no_wandb_key):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    classes = "".join(f"- class_{number}\n" for number in range(30))
    card = f"name: own\nsegments: 6\nseconds: 0.5\nclasses:\n- a|b $5 and $6\n{classes}"
    card += "weak: {train: a.csv, val: b.csv, test: c.csv}\ndense: {audio: d.csv, visual: e.csv}\n"
    Path("dataset.yaml").write_text(card)
    assert main(["train", *WORDS, "logger=tensorboard", "data.card=dataset.yaml"]) == 0
    events = EventAccumulator("run/tensorboard").Reload()
    assert sorted(events.Tags()["images"]) == [f"test/parsed_videos/{place}" for place in range(4)]
    (text,) = events.Tensors("test/per_class/text_summary")
    lines = text.tensor_proto.string_val[0].decode().splitlines()
    assert len(lines) == 2 + 31
    assert lines[2].startswith("| a\\|b $5 and $6 | SIMULATED |"), "a bar in a name ends no cell"
    assert lines[3].startswith("| class 0 | SIMULATED |")
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_a_card_is_a_tag_as_it_is_written_and_simulated_data_in_capitals():
    from leap_avvp.tracking.dashboards import _shown_source

    assert [_shown_source(name) for name in ("llp", "simulated", "AVE-own")] == ["LLP", "SIMULATED", "AVE-own"]

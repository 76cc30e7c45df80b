"""What is public takes a path as text as well as a ``Path``, and does the same with it."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from leap_avvp.data import LLPFolder, SimulatedLLP, read_annotations, write_annotations
from leap_avvp.data.annotations import find_annotations
from leap_avvp.data.datamodule import folder_data
from leap_avvp.data.packed import PackedLLP, find_packed, open_folder
from leap_avvp.data.packed.pack import pack_folder
from leap_avvp.data.simulate import write_llp_folder
from leap_avvp.errors import DataError
from leap_avvp.figures.runs import open_runs
from leap_avvp.models import HAN, MMILDecoder, VideoParser
from leap_avvp.models.label_files import read_label_embedding
from leap_avvp.released import to_released
from leap_avvp.released.convert import convert
from leap_avvp.scoring.per_video import read_per_video, write_per_video
from leap_avvp.scoring.predictions import read_predictions, score_predictions, write_predictions
from leap_avvp.scoring.record import read_record
from leap_avvp.tracking.wandb_sync import find_runs
from leap_avvp.training.checkpoint import load_checkpoint, read_checkpoint

PUBLIC = (
    *("data", "data.annotations", "data.folder", "data.packed", "data.simulate", "models", "metrics", "released"),
    *("card", "config", "training", "inference", "timeline", "studies"),
)


def takers() -> Iterator[tuple[str, Any]]:
    """Yield what the rooms hand out; a dataclass keeps paths and is made by one of them."""
    for room in PUBLIC:
        module = importlib.import_module(f"leap_avvp.{room}")
        for name in module.__all__:
            found = getattr(module, name)
            if callable(found) and not dataclasses.is_dataclass(found):
                yield f"{room}.{name}", found


@pytest.mark.parametrize(("name", "taker"), list(takers()), ids=[name for name, _ in takers()])
def test_what_a_room_hands_out_takes_text_wherever_it_takes_a_path(name, taker):
    annotations = {key: str(each.annotation) for key, each in inspect.signature(taker).parameters.items()}
    assert [key for key, kind in annotations.items() if "Path" in kind and "str" not in kind] == []


Kind = Callable[[Path], str | Path]


@pytest.fixture(params=[str, Path])
def kind(request: pytest.FixtureRequest) -> Kind:
    made: Kind = request.param
    return made


def test_data_folders(kind: Kind, make_llp_folder, tmp_path):
    root = make_llp_folder()
    assert find_annotations(kind(root)) == root / "annotations"
    splits, _ = read_annotations(kind(root / "annotations"), link_store=kind(tmp_path))
    write_annotations(kind(tmp_path / "csv"), splits)
    assert find_annotations(kind(root), kind(tmp_path / "csv")) == tmp_path / "csv"
    source = LLPFolder(kind(root), kind(tmp_path / "csv"), link_store=kind(tmp_path))
    assert len(source.load("test").filenames) == 2
    packed = pack_folder(kind(root), kind(tmp_path / "csv"), out=kind(tmp_path / "packed"), link_store=kind(tmp_path))
    assert find_packed(kind(root), kind(packed)) == packed
    assert len(PackedLLP(kind(packed), kind(root), kind(tmp_path / "csv")).load("test").filenames) == 2
    assert isinstance(open_folder(kind(root), kind(tmp_path / "csv"), packed=kind(packed)), PackedLLP)
    assert len(folder_data(kind(root), kind(tmp_path / "csv"), packed="off").dataset("val")) == 2


def test_a_simulated_folder(kind: Kind, tmp_path):
    source = SimulatedLLP(num_train=2, num_val=1, num_test=1)
    write_llp_folder(source, kind(tmp_path / "sim"))
    assert read_label_embedding(kind(tmp_path / "sim" / "label_embedding.npz")).shape == (25, 300)


def test_predictions_and_scores(kind: Kind, make_llp_folder, tmp_path):
    root = make_llp_folder()
    ids = LLPFolder(root).split("test").video_ids
    grid = np.zeros((2, 10, 25), dtype=bool)
    write_predictions(kind(tmp_path / "p.npz"), video_ids=ids, audio=grid, visual=grid)
    assert read_predictions(kind(tmp_path / "p.npz"))[0] == list(ids)
    assert (
        score_predictions(kind(tmp_path / "p.npz"), kind(root / "annotations"), link_store=kind(tmp_path)).videos == 2
    )
    write_per_video(kind(tmp_path / "v.npz"), ids, {"a": np.zeros(2)})
    assert read_per_video(kind(tmp_path / "v.npz")).video_ids == list(ids)


def test_weights(kind: Kind, tmp_path):
    torch.save(to_released(VideoParser(HAN(), MMILDecoder())), tmp_path / "theirs.pt")
    convert(kind(tmp_path / "theirs.pt"), kind(tmp_path / "ours.ckpt"))
    assert "state_dict" in read_checkpoint(kind(tmp_path / "ours.ckpt"))
    parser, _ = load_checkpoint(kind(tmp_path / "ours.ckpt"))
    assert isinstance(parser, VideoParser)


@pytest.mark.parametrize(
    "read", [read_record, read_checkpoint, load_checkpoint, find_runs, lambda path: open_runs([path])]
)
def test_what_is_missing_is_named(read: Callable[[str | Path], object], kind: Kind, tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        read(kind(tmp_path / "nowhere"))

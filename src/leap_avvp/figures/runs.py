"""A folder of ``leap-avvp train`` as what figures need: its model, its videos, its predictions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leap_avvp.config.build import Parts
from leap_avvp.config.elsewhere import data_from_here
from leap_avvp.config.hashing import config_hash
from leap_avvp.config.older import renamed
from leap_avvp.data.datamodule import LLPDataModule
from leap_avvp.errors import ConfigError, DataError, nearest
from leap_avvp.figures.parsing import MODALITIES, Grids, ParsedVideo, Parsing
from leap_avvp.metrics import Protocol
from leap_avvp.models import VideoParser
from leap_avvp.scoring.prediction_files import read_predictions
from leap_avvp.scoring.record import METRICS_FILE, RunRecord, read_record
from leap_avvp.training.checkpoint import checkpoint_file, load_trained
from leap_avvp.types import ParserOutput

__all__ = ["Run", "labels_of", "open_runs", "parse_videos", "predictions_of", "truth_of"]

_PREDICTIONS = "predictions_test.npz"
_SPLITS = ("test", "val")  # with dense truth; the first is what a run predicts
_CHUNK = 64


@dataclasses.dataclass(frozen=True)
class Run:
    """One finished training run."""

    folder: Path
    label: str
    """Names it in figures."""
    record: RunRecord
    parser: VideoParser
    """With the weights of the best epoch, in eval mode."""
    protocol: Protocol
    data: LLPDataModule
    """As the run's own config builds it; simulated videos are made again."""


def open_runs(folders: Sequence[str | Path], moved: Mapping[str, str | Path] | None = None) -> tuple[Run, ...]:
    """Read one run, or several that parsed the same test videos.

    Args:
        folders: of the runs.
        moved: where their data lie now, if not where they lay for the training: ``{"root": DIR}``, and in the same way
            ``annotations``, ``packed`` and ``link_store``.

    Raises:
        DataError: a folder is not one of a finished run, its files do not belong together, its data are not found, or
            the runs' videos differ.
    """
    paths = [Path(folder) for folder in folders]
    records = [_record(folder) for folder in paths]
    runs: list[Run] = []
    known: list[tuple[dict[str, Any], LLPDataModule]] = []
    changed = {key: str(place) for key, place in (moved or {}).items()}
    for folder, record, label in zip(paths, records, labels_of([record.config for record in records]), strict=True):
        path = checkpoint_file(folder)
        trained = load_trained(path)
        expected, found = config_hash(renamed(record.config)), config_hash(trained.config)
        if found != expected:
            raise DataError(
                f"{path}: expected the configuration of {METRICS_FILE}, {expected}, found {found}; train again in a "
                "folder of its own"
            )
        node = data_from_here(trained.config, trained.directory, path, changed)
        parts = Parts({**trained.config, "data": node})
        # Two runs mostly share their data, which may take minutes to load.
        same = [data for other, data in known if other == node]
        data = same[0] if same else parts.data()
        known.append((node, data))
        runs.append(Run(folder, label, record, trained.parser, parts.protocol(), data))
    for run in runs[1:]:
        _check_same_videos(runs[0], run)
    return tuple(runs)


def _record(folder: Path) -> RunRecord:
    if not (folder / METRICS_FILE).is_file():
        raise DataError(f"{folder}: expected the folder of a finished `leap-avvp train`, found no {METRICS_FILE} in it")
    return read_record(folder / METRICS_FILE)


def _check_same_videos(one: Run, other: Run) -> None:
    if one.data is other.data:
        return
    ours, theirs = truth_of(one), truth_of(other)
    same_classes = one.data.source.card.classes == other.data.source.card.classes
    if (
        not same_classes
        or ours.video_ids != theirs.video_ids
        or any(not np.array_equal(getattr(ours, name), getattr(theirs, name)) for name in MODALITIES)
    ):
        raise DataError(
            f"{other.folder}: expected the test videos of {one.folder} ({len(ours.video_ids)} of "
            f"{one.data.source.name}), found others ({len(theirs.video_ids)} of {other.data.source.name}); "
            "compare runs of the same data"
        )


def labels_of(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name runs by their decoders, ``LEAP`` or ``MMIL``; where those are equal, also by what else differs first."""
    names = [_part(config, "decoder") for config in configs]
    if len(set(names)) == len(names):
        return names
    leaves = [_leaves(config) for config in configs]
    for key in leaves[0]:
        values = [own.get(key) for own in leaves]
        if len(set(values)) == len(values):
            group, _, last = key.rpartition(".")
            what = [_part(config, group) if last == "_target_" else f"{last}={value}" for config, value in
                    zip(configs, values, strict=True)]  # fmt: skip
            return [f"{name} ({detail})" for name, detail in zip(names, what, strict=True)]
    return [f"{name} {number}" for number, name in enumerate(names, start=1)]


def _part(config: Mapping[str, Any], group: str) -> str:
    target = str(config.get(group, {}).get("_target_", group)).rpartition(".")[2]
    return {"MMPyramid": "MM-Pyramid"}.get(target, target.removesuffix("Decoder") or target)


def _leaves(config: Mapping[str, Any]) -> dict[str, str]:
    """Return what may change a number, the model first and the seed last."""
    groups = ("encoder", "decoder", "label_embedding", "loss", "data", "optimizer", "scheduler", "trainer", "protocol")
    return {
        key: str(value) for group in (*groups, "seed") if group in config for key, value in _walk(config[group], group)
    }


def _walk(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _walk(value, f"{path}.{key}")
    else:
        yield path, node


def truth_of(run: Run, split: str = "test") -> Grids:
    """Return the dense truth of a split with some."""
    dataset = run.data.dataset(split)
    audio, visual = (dataset.tensors[f"target_{name}"].bool().numpy() for name in MODALITIES)
    return Grids(list(dataset.video_ids), audio, visual)


def predictions_of(run: Run) -> Grids:
    """Return what the run predicted of the test split, from its file, in the order of the split.

    Raises:
        DataError: the file is missing or damaged, or holds other videos.
    """
    path = run.folder / _PREDICTIONS
    names, audio, visual = read_predictions(path, run.data.source.card)
    ids = run.data.dataset("test").video_ids
    if sorted(names) != sorted(ids):
        raise DataError(
            f"{path}: expected the {len(ids)} test videos of the run's own data, found {len(names)} videos, not the "
            "same; were data added or taken away since the training?"
        )
    place = {name: row for row, name in enumerate(names)}
    order = [place[name] for name in ids]
    return Grids(list(ids), audio[order], visual[order])


def parse_videos(runs: Sequence[Run], video_ids: Sequence[str]) -> list[ParsedVideo]:
    """Parse videos of the test or the validation split with each run's model.

    Raises:
        ConfigError: no such video; the message names those that look like it.
    """
    split = _split_of(runs[0], video_ids)
    truth = truth_of(runs[0], split)
    rows = [truth.video_ids.index(name) for name in video_ids]
    parsings = [list(_parse(run, split, rows)) for run in runs]
    return [
        ParsedVideo(
            video_id=name,
            data_source=runs[0].data.source.name,
            truth={"audio": truth.audio[row], "visual": truth.visual[row]},
            parsings=tuple(own[index] for own in parsings),
            protocols=tuple(run.protocol.name for run in runs),
            card=runs[0].data.source.card,
        )
        for index, (name, row) in enumerate(zip(video_ids, rows, strict=True))
    ]


def _split_of(run: Run, video_ids: Sequence[str]) -> str:
    known: list[str] = []
    for split in _SPLITS:
        ids = run.data.dataset(split).video_ids
        if set(video_ids) <= set(ids):
            return split
        known += ids
    unknown = [name for name in video_ids if name not in known]
    if not unknown:
        raise ConfigError("--video: expected videos of one split, found some of test and some of val")
    near = nearest(unknown[0], known)
    raise ConfigError(
        f"--video: expected an id of the {' or '.join(_SPLITS)} split of {run.folder}, found {unknown[0]!r}"
        f"{'; nearest: ' + ', '.join(near) if near else ''}"
    )


def _parse(run: Run, split: str, rows: Sequence[int]) -> Iterator[Parsing]:
    dataset = run.data.dataset(split)
    thresholds = {name: run.protocol.threshold("segment", name) for name in MODALITIES}
    # One for each class has no place on a scale of all.
    threshold = {name: value for name, value in thresholds.items() if isinstance(value, float)}
    for start in range(0, len(rows), _CHUNK):
        batch = dataset[list(rows[start : start + _CHUNK])]
        with torch.inference_mode():
            out: ParserOutput = run.parser(**batch)
            said = dict(zip(MODALITIES, run.protocol.apply(out), strict=True))
        for index in range(len(batch["video_id"])):
            yield Parsing(
                label=run.label,
                events={name: grid[index].numpy() for name, grid in said.items()},
                probability={name: out[f"segment_{name}_prob"][index].T.numpy() for name in MODALITIES},
                attention=_attention(out, index),
                threshold=threshold,
            )


def _attention(out: ParserOutput, index: int) -> dict[str, NDArray[np.float32]] | None:
    if out.label_audio_feature is None or out.audio_attention is None or out.visual_attention is None:
        return None  # the figures draw how labels read segments; what MMIL pools by is another thing
    return {
        "audio": out.audio_attention[index].mean(dim=0).numpy(),
        "visual": out.visual_attention[index].mean(dim=0).numpy(),
    }

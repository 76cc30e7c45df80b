"""A finished run, opened again: its model, its test videos and what it says of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leap_avvp.build import build_data, build_protocol
from leap_avvp.data.datamodule import SplitDataset
from leap_avvp.errors import DataError, nearest
from leap_avvp.evaluate import load_checkpoint
from leap_avvp.figures.parsed import Inside, ParsedVideo
from leap_avvp.metrics import Protocol
from leap_avvp.models import LEAPDecoder, VideoParser
from leap_avvp.types import ParserOutput

__all__ = ["Run", "open_run", "parse_video", "parser_output"]


@dataclasses.dataclass
class Run:
    """A run's folder, opened."""

    folder: Path
    parser: VideoParser
    protocol: Protocol
    test: SplitDataset
    simulated: bool
    predictions: dict[str, NDArray[np.bool_]]
    """``audio`` and ``visual`` (N, T, C), in the order of the test videos."""

    @property
    def name(self) -> str:
        """``LEAP`` or ``MMIL``."""
        return type(self.parser.decoder).__name__.removesuffix("Decoder")

    @property
    def truth(self) -> dict[str, NDArray[np.bool_]]:
        """``audio`` and ``visual`` (N, T, C)."""
        return {name: self.test.tensors[f"target_{name}"].bool().cpu().numpy() for name in ("audio", "visual")}

    def row(self, video_id: str) -> int:
        """Return the place of a video.

        Raises:
            DataError: it is not a test video of this run, with the ids that look like it.
        """
        if video_id not in self.test.video_ids:
            near = ", ".join(nearest(video_id, self.test.video_ids)) or f"{self.test.video_ids[0]}, ..."
            raise DataError(
                f"--video: {video_id!r} is not among the {len(self.test)} test videos of {self.folder}: {near}"
            )
        return self.test.video_ids.index(video_id)


def open_run(folder: Path) -> Run:
    """Open the folder of a finished ``leap-avvp train``.

    Raises:
        DataError: a file of it is missing or damaged.
    """
    if not (folder / "metrics.json").is_file():
        raise DataError(f"{folder}: no finished run: expected metrics.json, which `leap-avvp train` writes at its end")
    parser, config = load_checkpoint(folder / "checkpoints" / "best.ckpt")
    data = build_data(config)
    test = data.dataset("test")
    path = folder / "predictions_test.npz"
    try:
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            ids, audio, visual = (file[name] for name in ("video_id", "audio", "visual"))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    place = {str(name): row for row, name in enumerate(ids)}
    if set(place) != set(test.video_ids):
        raise DataError(f"{path}: expected the {len(test)} test videos of the run's data, found {len(place)} others")
    order = [place[name] for name in test.video_ids]
    said = {"audio": audio[order].astype(np.bool_), "visual": visual[order].astype(np.bool_)}
    return Run(folder, parser, build_protocol(config), test, data.source.name == "simulated", said)


def parser_output(run: Run, row: int) -> ParserOutput:
    """Return what the run's model computes for one test video."""
    batch: Any = run.test[[row]]
    with torch.inference_mode():
        out: ParserOutput = run.parser(audio=batch["audio"], video_2d=batch["video_2d"], video_3d=batch["video_3d"])
    return out


def parse_video(runs: list[Run], video_id: str) -> ParsedVideo:
    """Parse a video with each run; what is inside comes from the first LEAP among them."""
    first = runs[0]
    truth = {name: grid[first.row(video_id)] for name, grid in first.truth.items()}
    predictions: dict[str, dict[str, NDArray[np.bool_]]] = {}
    inside = None
    for run in runs:
        row = run.row(video_id)
        name = run.name if run.name not in predictions else f"{run.name} ({len(predictions) + 1})"
        predictions[name] = {key: grid[row] for key, grid in run.predictions.items()}
        if inside is None and isinstance(run.parser.decoder, LEAPDecoder):
            out = parser_output(run, row)
            inside = Inside(
                {key: out[f"{key}_attention"][0].mean(dim=0).numpy() for key in ("audio", "visual")},
                {key: out[f"segment_{key}_prob"][0].numpy() for key in ("audio", "visual")},
            )
    return ParsedVideo(video_id, truth, predictions, inside, first.simulated)

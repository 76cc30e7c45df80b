"""Figures of a whole run: learning curves, F1 by class, kinds of mistakes."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from leap_avvp.callbacks import HISTORY_FILE
from leap_avvp.errors import DataError
from leap_avvp.figures.palette import class_name
from leap_avvp.figures.runs import Run
from leap_avvp.llp import NUM_CLASSES
from leap_avvp.metrics.errors import ERROR_KINDS, error_counts
from leap_avvp.metrics.per_class import per_class_f1

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["class_bars", "error_bars", "learning_curves", "read_curves"]

_COLOURS = ("#0072B2", "#D55E00")
_KINDS = dict(zip(ERROR_KINDS, ("#009E73", "#E69F00", "#CC79A7", "#D55E00", "#999999"), strict=True))


def _figure(width: float, height: float, title: str) -> Figure:
    from matplotlib.figure import Figure  # here: the font cache alone costs seconds

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, fontsize=9)
    return figure


def _title(runs: Sequence[Run], what: str) -> str:
    return f"{what}{' (SIMULATED data)' if any(run.simulated for run in runs) else ''}"


def read_curves(folder: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Return steps and values of every scalar in a run's ``history.csv``.

    Raises:
        DataError: there is none, or it is damaged.
    """
    path = folder / HISTORY_FILE
    curves: dict[str, tuple[list[int], list[float]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                for name, text in row.items():
                    if name not in ("step", "epoch") and text:
                        steps, values = curves.setdefault(name, ([], []))
                        steps.append(int(row["step"]))
                        values.append(float(text))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: no curves to read ({error})") from error
    return curves


def learning_curves(folders: Mapping[str, Path]) -> Figure:
    """Draw the total loss of training and the validation score of each run against its steps."""
    figure = _figure(7.2, 2.6, "Learning curves")
    axes = figure.subplots(1, 2)
    for (name, folder), colour in zip(folders.items(), _COLOURS, strict=False):
        curves = read_curves(folder)
        for axis, key in zip(axes, ("train/loss/total", "val/segment/type_av"), strict=True):
            steps, values = curves.get(key, ([], []))
            axis.plot(
                steps, values, color=colour, label=name, marker="o" if key.startswith("val") else "", markersize=3
            )
    for axis, heading in zip(axes, ("mean training loss of the epoch", "validation, segment Type@AV (%)"), strict=True):
        axis.set_xlabel("step", fontsize=7)
        axis.set_title(heading, fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(color="0.9", linewidth=0.5)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False, fontsize=7)
    return figure


def _f1(run: Run) -> dict[str, np.ndarray]:
    grids = [*run.predictions.values(), *run.truth.values()]
    return {name: value.numpy() for name, value in per_class_f1(*(torch.from_numpy(grid) for grid in grids)).items()}


def class_bars(runs: Sequence[Run]) -> Figure:
    """Draw the segment-level F1 of each class, and with two runs the difference of the first from the second."""
    figure = _figure(7.2, 4.6, _title(runs, "Segment-level F1 of each class over the test split (%)"))
    scores = [_f1(run) for run in runs]
    columns = 4 if len(runs) == 2 else 2
    axes = figure.subplots(1, columns, sharey=True, width_ratios=[2, 1, 2, 1][:columns] if columns == 4 else None)
    places = np.arange(NUM_CLASSES)
    step = 2 if len(runs) == 2 else 1
    for index, name in enumerate(("audio", "visual")):
        axis = axes[index * step]
        for place, (run, score, colour) in enumerate(zip(runs, scores, _COLOURS, strict=False)):
            height = 0.8 / len(runs)
            label = run.name if len({r.name for r in runs}) == len(runs) else f"{run.name} ({place + 1})"
            values = np.nan_to_num(score[f"segment/{name}"])
            axis.barh(places + (place - (len(runs) - 1) / 2) * height, values, height, color=colour, label=label)
        axis.set_xlim(0, 100)
        axis.set_title("audible" if name == "audio" else "visible", fontsize=8)
        if len(runs) == 2:
            gap = scores[0][f"segment/{name}"] - scores[1][f"segment/{name}"]
            colours = [_COLOURS[0] if value >= 0 else _COLOURS[1] for value in gap]
            axes[index * step + 1].barh(places, np.nan_to_num(gap), 0.7, color=colours)
            axes[index * step + 1].axvline(0, color="0.3", linewidth=0.6)
            axes[index * step + 1].set_title("difference", fontsize=8)
    axes[0].set_yticks(places, [class_name(label) for label in range(NUM_CLASSES)])
    axes[0].set_ylim(NUM_CLASSES - 0.5, -0.5)
    axes[0].legend(frameon=False, fontsize=6.5, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.05))
    for axis in axes:
        axis.tick_params(labelsize=6.5, length=2)
        axis.grid(axis="x", color="0.9", linewidth=0.5)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def error_bars(runs: Sequence[Run]) -> Figure:
    """Draw for each run and modality how many cells are right, and of which kind the mistakes are."""
    figure = _figure(7.2, 0.9 + 0.42 * 2 * len(runs), _title(runs, "Segments said or missed, by kind of mistake"))
    axis = figure.subplots()
    labels: list[str] = []
    for number, run in enumerate(runs):
        found = error_counts(*(torch.from_numpy(grid) for grid in (*run.predictions.values(), *run.truth.values())))
        for modality, counts in found.items():
            left = 0
            for kind, count in counts.items():
                axis.barh(len(labels), count, left=left, height=0.72, color=_KINDS[kind], label=_once(labels, kind))
                if count > 0.03 * sum(counts.values()):
                    axis.text(left + count / 2, len(labels), f"{count:,}", ha="center", va="center", fontsize=6.5)
                left += count
            labels.append(f"{run.name}{f' ({number + 1})' if len(runs) > 1 else ''}, {modality}")
    axis.set_yticks(range(len(labels)), labels, fontsize=7)
    axis.invert_yaxis()
    axis.tick_params(axis="x", labelsize=7)
    axis.set_xlabel("cells: seconds x classes", fontsize=7)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=7, ncols=len(ERROR_KINDS), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def _once(labels: list[str], kind: str) -> str:
    return f"_{kind}" if labels else kind.replace("_", " ")

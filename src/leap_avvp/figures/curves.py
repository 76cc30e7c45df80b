"""Learning curves: the loss terms of each step and the validation score of each epoch, as the run kept them."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.figures.palette import RUN_STYLES
from leap_avvp.figures.save import mark_source
from leap_avvp.training.history import HISTORY_FILE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MONITOR", "Curves", "learning_curves", "read_curves"]

MONITOR = "val/segment/type_av"
_LOSS = "train/loss/"
_FILES = (Path("csv") / "metrics.csv", Path(HISTORY_FILE))  # each logged step, or the means of each epoch
_COLUMNS = 4

Series = list[tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class Curves:
    """What a run logged while it trained."""

    label: str
    losses: Mapping[str, Series]
    """By term: (epochs passed, loss) for each logged step."""
    scores: Mapping[str, Series]
    """By metric, such as ``val/segment/type_av``: (epochs passed, score in percent) for each validation."""


def read_curves(folder: Path, label: str) -> Curves | None:
    """Read the log of a run's folder, that of ``logger=csv`` before the means of each epoch; None where it has none.

    Raises:
        DataError: the file is damaged.
    """
    path = next((folder / name for name in _FILES if (folder / name).is_file()), None)
    if path is None:
        return None
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
        steps = [row["step"] + 1 for row in rows]
        # Epochs have equal numbers of steps, and each is validated at its end.
        ends = [(row["step"] + 1) / (row["epoch"] + 1) for row in rows if any(key.startswith("val/") for key in row)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise DataError(f"{path}: expected numbers under step, epoch and the metrics' names ({error!r})") from error
    per_epoch = ends[-1] if ends else max(steps, default=1.0)
    losses: dict[str, Series] = {}
    scores: dict[str, Series] = {}
    for step, row in zip(steps, rows, strict=True):
        for key, value in row.items():
            if key.startswith(_LOSS):
                losses.setdefault(key.removeprefix(_LOSS), []).append((step / per_epoch, value))
            elif key.startswith("val/"):
                scores.setdefault(key, []).append((step / per_epoch, value))
    return Curves(label, losses, scores)


def learning_curves(runs: Sequence[Curves], data_source: str, monitor: str = MONITOR) -> Figure:
    """Draw one or two runs: the monitored score first, then the whole loss and its terms.

    Args:
        runs: of :func:`read_curves`.
        data_source: ``simulated``, or the name of the card, which the figure says.
        monitor: the score; its best epoch is marked.

    Raises:
        ConfigError: no run, or more than two.
    """
    from matplotlib.figure import Figure

    if not 1 <= len(runs) <= len(RUN_STYLES):
        raise ConfigError(f"learning curves: expected 1 to {len(RUN_STYLES)} runs, found {len(runs)}")
    terms = sorted({term for run in runs for term in run.losses}, key=lambda term: (term != "total", term))
    lines = -(-(len(terms) + 1) // _COLUMNS)
    figure = Figure(figsize=(7.2, 0.5 + 1.7 * lines), layout="constrained")
    axes = figure.subplots(lines, _COLUMNS, squeeze=False, sharex=True).ravel().tolist()
    _panel(axes[0], f"{monitor} (%)", {run.label: run.scores.get(monitor, []) for run in runs}, best=True)
    for axis, term in zip(axes[1:], terms, strict=False):
        _panel(axis, f"loss: {term}", {run.label: run.losses.get(term, []) for run in runs}, best=False)
    for axis in axes[len(terms) + 1 :]:
        axis.remove()
    for axis in axes[max(0, len(terms) + 1 - _COLUMNS) : len(terms) + 1]:
        axis.set_xlabel("epoch", fontsize=7)
        axis.tick_params(labelbottom=True)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(runs), frameon=False, fontsize=8)
    mark_source(figure, data_source)
    return figure


def _panel(axis: Axes, title: str, series: Mapping[str, Series], best: bool) -> None:
    for (label, points), style in zip(series.items(), RUN_STYLES, strict=False):
        epochs, values = [x for x, _ in points], [y for _, y in points]
        axis.plot(
            epochs, values, color=style.colour, linestyle=style.line, label=label, linewidth=1.1,
            marker="." if best else None, markersize=3,
        )  # fmt: skip
        if best and points:
            top = max(range(len(values)), key=lambda index: (values[index], index))  # the last of equals is kept
            axis.plot(epochs[top], values[top], marker="*", markersize=8, color=style.colour)
    axis.set_title(title, fontsize=7)
    axis.tick_params(labelsize=7, length=2)
    axis.grid(color="0.9", linewidth=0.4)
    axis.spines[["top", "right"]].set_visible(False)

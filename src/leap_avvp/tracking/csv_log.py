"""A CSV log with which a resumed run goes on: Lightning's own deletes the rows of all earlier sessions."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from leap_avvp.files import unwritable, write_whole

__all__ = ["RowWriter", "RunCSVLogger"]

Row = dict[str, Any]


class RowWriter(ExperimentWriter):
    """Writes ``metrics.csv``: the rows that stand there before the first step that is logged now, then the new ones.

    Args:
        log_dir: folder of the file.
    """

    def __init__(self, log_dir: str) -> None:
        # Not Lightning's, which deletes the file.
        self.log_dir = log_dir
        self.metrics: list[Row] = []
        self.hparams: Row = {}
        self.goes_on = True
        """Whether the rows that stand there are this run's."""
        self._path = Path(log_dir) / self.NAME_METRICS_FILE
        self._columns: list[str] | None = None  # of the file, once it is this run's
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def save(self) -> None:
        """Write what was logged since the last call.

        Raises:
            DataError: the file cannot be written.
        """
        if not self.metrics:
            return
        if self._columns is not None and {key for row in self.metrics for key in row} <= set(self._columns):
            try:
                with self._path.open("a", newline="", encoding="utf-8") as file:
                    file.write(_lines(self._columns, self.metrics))
            except OSError as error:
                raise unwritable(self._path, error) from error
        else:
            rows = [*self._kept(), *self.metrics]
            self._columns = sorted({key for row in rows for key in row})
            header = _lines(self._columns, [{name: name for name in self._columns}])
            write_whole(self._path, header + _lines(self._columns, rows))
        self.metrics = []

    def _kept(self) -> list[Row]:
        """Return the rows of the file to which new ones are added."""
        rows = _read(self._path) if self.goes_on or self._columns is not None else []
        if self._columns is None:  # the steps since the last checkpoint are done again
            first = min(row["step"] for row in self.metrics)
            rows = [row for row in rows if int(row["step"]) < first]
        return rows


class RunCSVLogger(CSVLogger):
    """Lightning's CSV logger, whose file outlives a resume; a training from the beginning starts another one."""

    @property
    @rank_zero_experiment
    def experiment(self) -> RowWriter:
        """What writes the rows."""
        if self._experiment is None:
            self._experiment = RowWriter(self.log_dir)
        assert isinstance(self._experiment, RowWriter)
        return self._experiment

    @rank_zero_only
    def log_graph(self, model: Any, *args: Any, **kwargs: Any) -> None:
        """Learn, when a fit begins, whether it goes on from a checkpoint."""
        trainer = model.trainer
        if trainer.state.fn == "fit":
            self.experiment.goes_on = trainer.ckpt_path is not None


def _lines(columns: list[str], rows: list[Row]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, columns, restval="", lineterminator="\n").writerows(rows)
    return text.getvalue()


def _read(path: Path) -> list[Row]:
    """Return the whole rows of a file, without their empty fields; a row cut short by a kill is none."""
    try:
        text = path.read_text(encoding="utf-8")
        rows = list(csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1])))
    except (OSError, ValueError, csv.Error):
        return []
    return [
        {key: value for key, value in row.items() if value}
        for row in rows
        if (row.get("step") or "").isdecimal() and None not in row and None not in row.values()
    ]

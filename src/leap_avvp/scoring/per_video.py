"""The scores of each test video, kept with a run so that nothing is trained again to compare two runs."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leap_avvp.errors import DataError
from leap_avvp.files import write_whole

__all__ = ["PER_VIDEO_FILE", "PerVideo", "read_per_video", "write_per_video"]

_EXCLUSIVE = "_only"  # of leap_avvp.metrics.exclusive, which brings torch: a finished study needs none
PER_VIDEO_FILE = "per_video_test.npz"


class PerVideo:
    """Scores of N videos.

    Args:
        video_ids: length N.
        scores: by metric (``segment/audio``, ...), (N,) from 0 to 1 each; their means times 100 are the run's scores.
    """

    def __init__(self, video_ids: Sequence[str], scores: Mapping[str, NDArray[np.float64]]) -> None:
        self.video_ids, self.scores = list(video_ids), dict(scores)

    def values(self, metric: str) -> NDArray[np.float64]:
        """Return (N,) of a metric in percent; ``average`` is the mean of the ten metrics, video by video.

        Raises:
            DataError: the file is older than the metric.
        """
        if metric == "average":
            # Not of what is only heard or seen: older files do not have it, and no published average holds it.
            ten = [values for name, values in self.scores.items() if not name.endswith(_EXCLUSIVE)]
            return 100 * np.mean(ten, axis=0)  # type: ignore[no-any-return]
        if metric not in self.scores:
            raise DataError(f"{metric}: expected a score of each video, found only {', '.join(self.scores)}")
        return 100 * self.scores[metric]


def write_per_video(path: str | Path, video_ids: Sequence[str], scores: Mapping[str, NDArray[np.float64]]) -> None:
    """Write the scores as an ``.npz`` of ``video_id`` (N,), ``metric`` (M,) and ``score`` (N, M) float64."""
    table = np.stack([np.asarray(values, dtype=np.float64) for values in scores.values()], axis=1)

    def save(part: Path) -> None:
        with part.open("wb") as file:
            np.savez_compressed(file, video_id=np.array(video_ids), metric=np.array(list(scores)), score=table)

    write_whole(Path(path), save)


def read_per_video(path: str | Path) -> PerVideo:
    """Read what :func:`write_per_video` wrote.

    Raises:
        DataError: missing or damaged.
    """
    path = Path(path)
    try:
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            ids, metrics, table = (file[name] for name in ("video_id", "metric", "score"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file: the run is older than per-video results; evaluate it again") from error
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: damaged ({error}); delete the run's folder to train it again") from error
    if table.shape != (len(ids), len(metrics)) or not np.isfinite(table).all():
        raise DataError(f"{path}: expected finite scores {(len(ids), len(metrics))}, found shape {table.shape}")
    scores = {str(name): table[:, place].astype(np.float64) for place, name in enumerate(metrics)}
    return PerVideo([str(name) for name in ids], scores)

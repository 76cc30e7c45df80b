"""Compare released feature files with what is extracted here: ``python -m leap_avvp.media.check_features DIR VIDEOS``.

Whoever has a set's files, some of its videos and the weights sees by this how near extraction comes: a correlation of
the numbers and the largest difference, a line a stream. Of VGGish digital silence is checked, too: its numbers are at
least 0, about 55 % of them are 0 (LLP's own silent videos are so), and all rows are equal.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card.features import Stream, named_features
from leap_avvp.errors import DataError, LeapError
from leap_avvp.files.npz import read_npy_header
from leap_avvp.llp import video_id
from leap_avvp.media.clips import find_clips
from leap_avvp.media.opening import Clip
from leap_avvp.media.recipes import RECIPES, Recipe, extract_stream, recipes_of

__all__ = ["Agreement", "agreement", "check_silence", "compare_stream", "main", "released_file"]

ZEROS_OF_SILENCE = (0.45, 0.65)
"""Share of VGGish's 128 numbers of digital silence that are 0; measured: 0.55."""


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How near two arrays of one shape are."""

    correlation: float
    """Pearson's, of all numbers; NaN where one array is constant."""
    largest: float
    """Difference, absolute."""
    scale: float
    """Mean absolute number of the released array, to hold the difference against."""


def agreement(ours: NDArray[Any], theirs: NDArray[Any]) -> Agreement:
    """Compare two arrays of one shape.

    Raises:
        DataError: their shapes differ.
    """
    if ours.shape != theirs.shape:
        raise DataError(f"expected {ours.shape}, found {theirs.shape}")
    a, b = (np.asarray(one, np.float64).ravel() for one in (ours, theirs))
    constant = a.std() == 0 or b.std() == 0
    correlation = float("nan") if constant else float(np.corrcoef(a, b)[0, 1])
    return Agreement(correlation, float(np.abs(a - b).max()), float(np.abs(b).mean()))


def released_file(folder: Path, stream: Stream, clip: Clip) -> Path | None:
    """Return a clip's file in a data folder: by its name, or by LLP's id, its first 11 characters; None without one."""
    names = (clip.name, video_id(clip.name))
    return next((path for name in names if (path := folder / stream.folder / f"{name}.npy").is_file()), None)


def compare_stream(
    folder: Path, stream: Stream, recipe: Recipe, backbone: Any, clips: Sequence[Clip], segments: int = 10
) -> Iterator[tuple[Clip, Agreement | str]]:
    """Yield how near each clip comes that has a released file; or why it could not be compared.

    Args:
        folder: the data folder with the released files.
        stream: where and of which shape they are.
        recipe: how ours are made.
        backbone: of ``recipe.make()``.
        clips: to look at.
        segments: T, of 1 s.
    """
    for clip in clips:
        path = released_file(folder, stream, clip)
        if path is None:
            continue
        try:
            yield clip, agreement(extract_stream(clip, recipe, backbone, segments), _read(path))
        except DataError as error:
            yield clip, str(error)


def check_silence(vggish: Any, seconds: int = 3) -> list[str]:
    """Return what is wrong with VGGish's answer to digital silence; nothing where it is as it should be.

    Args:
        vggish: of (n, 16000) to (n, 128).
        seconds: n.
    """
    rows = vggish(np.zeros((seconds, 16_000), np.float32))
    zeros = float((rows == 0).mean())
    wrong = []
    if rows.min() < 0:
        wrong.append(f"expected numbers of at least 0, found {rows.min():.4g}: the last ReLU is missing")
    if not ZEROS_OF_SILENCE[0] <= zeros <= ZEROS_OF_SILENCE[1]:
        wrong.append(f"expected about 55 % zeros, found {zeros:.1%}")
    if not np.array_equal(rows, np.repeat(rows[:1], len(rows), axis=0)):
        wrong.append("expected all rows equal, found differences")
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; return 0 where something was compared and silence is right, 1 where not, 2 on an error."""
    parser = argparse.ArgumentParser("python -m leap_avvp.media.check_features", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="data folder with the released files")
    parser.add_argument("videos", type=Path, metavar="VIDEOS", help="a video, a folder of them, or a list")
    parser.add_argument("--features", default="llp", choices=sorted(RECIPES), help="feature set (default: llp)")
    parser.add_argument("--limit", type=int, default=20, help="videos at most (default: 20)")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except LeapError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    features = named_features(options.features)
    clips = [
        clip
        for clip in find_clips(options.videos).clips
        if any(released_file(options.folder, stream, clip) for stream in features.streams.values())
    ][: options.limit]
    if not clips:
        folders = ", ".join(features.folders.values())
        raise DataError(f"{options.folder}: expected files of the videos in {options.videos} in {folders}, found none")
    compared, wrong = 0, 0
    for name, recipe in recipes_of(options.features).items():
        try:
            backbone = recipe.make(device=options.device)
        except LeapError as error:
            print(f"{name}: skipped: {error}")
            continue
        if recipe.weights == "vggish":
            faults = check_silence(backbone)
            wrong += len(faults)
            print(f"{name}: digital silence: {'; '.join(faults) or 'as it should be'}")
        compared += _tell(name, recipe, compare_stream(options.folder, features.streams[name], recipe, backbone, clips))
    return 0 if compared and not wrong else 1


def _tell(name: str, recipe: Recipe, found: Iterator[tuple[Clip, Agreement | str]]) -> int:
    """Print what was found of a stream as it comes, and return how many clips were compared."""
    near = []
    for clip, one in found:
        if isinstance(one, str):
            print(f"{name}: {clip.name}: not compared: {one}")
            continue
        near.append(one)
        print(f"{name}: {clip.name}: correlation {one.correlation:.5f}, largest difference {one.largest:.4g}")
    if near:
        correlations = [one.correlation for one in near]
        print(
            f"{name} ({recipe.weights}): {len(near)} videos, correlation {np.median(correlations):.5f} (median), "
            f"{np.min(correlations):.5f} (least), largest difference {max(one.largest for one in near):.4g} of numbers "
            f"of {np.mean([one.scale for one in near]):.4g} on average"
        )
    return len(near)


def _read(path: Path) -> NDArray[Any]:
    """Return a file's array.

    Raises:
        DataError: damaged, or not of numbers.
    """
    try:
        with path.open("rb") as file:
            header = read_npy_header(file)
        held = path.stat().st_size - header.data_offset
        if header.dtype.kind not in "fiu" or header.data_bytes != held:
            raise ValueError(f"{header.dtype}, {header.data_bytes:,} bytes of numbers promised and {held:,} there")
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected a .npy file of numbers, cannot read it ({error})") from error


if __name__ == "__main__":
    sys.exit(main())

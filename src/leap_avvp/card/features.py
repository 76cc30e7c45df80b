"""Feature sets: which streams of features there are, what their files look like, and how rows become segments."""

from __future__ import annotations

import dataclasses
import importlib.resources
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from leap_avvp.card.reduce import ANY_ROWS, MAP_ROWS, REDUCTIONS, file_rows
from leap_avvp.errors import ConfigError, DataError, nearest
from leap_avvp.llp import PSEUDO_LABEL_FOLDERS

__all__ = ["LLP_FEATURES", "STREAMS", "FeatureSet", "Stream", "feature_set", "known_features", "named_features"]

STREAMS = ("audio", "video_2d", "video_3d")
"""What a stream may be called: what is heard, what single pictures show, what their motion shows (optional)."""
_MOST_WIDTH = 65_536
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
_FOLDER = re.compile(r"[^/\\\0-\x1f:*?\"<>|]{1,200}")


@dataclasses.dataclass(frozen=True)
class Stream:
    """One stream: a folder with a ``.npy`` file a video, (R, F)."""

    name: str
    folder: str
    """Below the data folder."""
    rows: str
    """R: ``T`` one a segment, ``8T`` eight of them, ``64`` so many whatever T is, or ``any``."""
    width: int
    """F."""
    reduce: str
    """How R rows become T, one of :data:`~leap_avvp.card.reduce.REDUCTIONS`."""

    def shapes(self, segments: int) -> tuple[tuple[int, int], ...]:
        """Return the shapes of a file that are taken: (R, F), and (T, F) of one whose rows are segments already.

        Empty for a stream of any number of rows.
        """
        rows = file_rows(self.rows, segments)
        if rows is None:
            return ()
        return tuple(dict.fromkeys(((rows, self.width), (segments, self.width))))


@dataclasses.dataclass(frozen=True)
class FeatureSet:
    """The streams of a data set, by name, in the order of :data:`STREAMS`."""

    name: str
    streams: Mapping[str, Stream]

    @property
    def widths(self) -> dict[str, int]:
        """F of each stream."""
        return {name: stream.width for name, stream in self.streams.items()}

    @property
    def folders(self) -> dict[str, str]:
        """The folder of each stream."""
        return {name: stream.folder for name, stream in self.streams.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return plain content, as a file of ``conf/features/`` has it."""
        return {
            "name": self.name,
            "streams": {
                name: {"folder": one.folder, "shape": [_number(one.rows), one.width], "reduce": one.reduce}
                for name, one in self.streams.items()
            },
        }

    def describe(self) -> str:
        """Return name and shapes in a line: ``llp (audio (T, 128), ...)``."""
        shapes = ", ".join(f"{name} ({one.rows}, {one.width})" for name, one in self.streams.items())
        return f"{self.name} ({shapes})"


def _number(rows: str) -> int | str:
    return int(rows) if rows.isdigit() else rows


def feature_set(node: Any, where: str = "features") -> FeatureSet:
    """Return the feature set that plain content describes, as a file of ``conf/features/`` does.

    Args:
        node: ``name`` and ``streams``; each stream has ``folder``, ``shape`` ``[rows, width]`` and, if it is not
            ``segment``, ``reduce``.
        where: names the content in messages.

    Raises:
        ConfigError: naming the key, what was expected and what was found.
    """
    if not isinstance(node, Mapping):
        raise ConfigError(f"{where}: expected name and streams, found {str(node)[:80]!r}")
    _only(node, ("name", "streams"), where)
    name, streams = node.get("name"), node.get("streams")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(f"{where}.name: expected a short name of letters, digits and _.+-, found {str(name)[:80]!r}")
    if not isinstance(streams, Mapping) or not {"audio", "video_2d"} <= set(streams):
        named = ", ".join(map(str, streams)) if isinstance(streams, Mapping) else str(streams)
        raise ConfigError(
            f"{where}.streams: expected audio, video_2d and maybe video_3d, found {named[:80] or 'none'}; "
            "a set with one picture stream calls it video_2d"
        )
    _only(streams, STREAMS, f"{where}.streams")
    # One that is null was taken away on the command line.
    kept = [key for key in STREAMS if streams.get(key) is not None]
    found = {key: _stream(key, streams[key], f"{where}.streams.{key}") for key in kept}
    folders = [one.folder for one in found.values()]
    for key, one in found.items():
        if folders.count(one.folder) > 1 or one.folder in PSEUDO_LABEL_FOLDERS.values():
            raise ConfigError(f"{where}.streams.{key}.folder: expected a folder of its own, found {one.folder!r}")
    return FeatureSet(name, found)


def _stream(name: str, node: Any, where: str) -> Stream:
    if not isinstance(node, Mapping):
        raise ConfigError(f"{where}: expected folder, shape and reduce, found {str(node)[:80]!r}")
    _only(node, ("folder", "shape", "reduce"), where)
    folder, shape, reduce = node.get("folder"), node.get("shape"), node.get("reduce", "segment")
    parts = str(folder).split("/")
    if not isinstance(folder, str) or not all(_FOLDER.fullmatch(part) and part not in (".", "..") for part in parts):
        raise ConfigError(f"{where}.folder: expected a folder below the data folder, found {str(folder)[:80]!r}")
    if reduce not in REDUCTIONS:
        raise ConfigError(f"{where}.reduce: expected one of {', '.join(REDUCTIONS)}, found {str(reduce)[:80]!r}")
    if not isinstance(shape, list | tuple) or len(shape) != 2:
        raise ConfigError(f"{where}.shape: expected [rows, width], as [8T, 2048], found {str(shape)[:80]!r}")
    rows, width = str(shape[0]), shape[1]
    try:
        file_rows(rows, 1)
    except ValueError:
        raise ConfigError(
            f"{where}.shape: rows: expected T, a multiple of it as 8T, a number, or {ANY_ROWS}, found {rows[:80]!r}"
        ) from None
    if isinstance(width, bool) or not isinstance(width, int) or not 1 <= width <= _MOST_WIDTH:
        raise ConfigError(f"{where}.shape: width: expected a whole number from 1 to {_MOST_WIDTH}, found {width!r}")
    fits = {
        "segment": rows == "T",
        "mean": rows.endswith("T"),
        "clap_map": rows == str(MAP_ROWS),
        "pool": True,
    }
    if not fits[reduce]:
        wanted = {"segment": "T", "mean": "a multiple of T, as 8T", "clap_map": str(MAP_ROWS)}[reduce]
        raise ConfigError(f"{where}.shape: rows: expected {wanted} for reduce: {reduce}, found {rows}")
    return Stream(name, folder, rows, width, reduce)


def _only(node: Mapping[Any, Any], known: tuple[str, ...], where: str) -> None:
    for key in node:
        if key not in known:
            near = nearest(str(key), known, limit=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{where}.{key}: no such key; expected {', '.join(known)}{hint}")


def known_features() -> list[str]:
    """Return the names of the package's own feature sets."""
    folder = importlib.resources.files("leap_avvp.conf") / "features"
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def named_features(name: str | Path) -> FeatureSet:
    """Return one of the package's feature sets, or that of a YAML file of one's own.

    Raises:
        ConfigError: no such set, or a file that describes none.
    """
    if str(name) in known_features():
        file = importlib.resources.files("leap_avvp.conf") / "features" / f"{name}.yaml"
        return feature_set(yaml.safe_load(file.read_text(encoding="utf-8")), f"features={name}")
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        try:
            return feature_set(yaml.safe_load(path.read_text(encoding="utf-8")), str(path))
        except (OSError, yaml.YAMLError, ValueError) as error:
            if isinstance(error, ConfigError):
                raise
            reason = (str(error).splitlines() or ["?"])[0]
            raise DataError(f"{path}: expected a feature set in YAML, cannot read it ({reason})") from error
    near = nearest(str(name), known_features(), limit=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigError(
        f"features: expected one of {', '.join(known_features())}, or a YAML file of that form, found "
        f"{str(name)[:80]!r}{hint}"
    )


LLP_FEATURES = FeatureSet(
    "llp",
    {
        "audio": Stream("audio", "feats/vggish", "T", 128, "segment"),
        "video_2d": Stream("video_2d", "feats/res152", "8T", 2048, "mean"),
        "video_3d": Stream("video_3d", "feats/r2plus1d_18", "T", 512, "segment"),
    },
)
"""LLP's released features, as ``conf/features/llp.yaml`` has them."""

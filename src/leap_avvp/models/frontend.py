"""Front ends: two or three feature streams to two of width D."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leap_avvp.card import FeatureSet, Stream
from leap_avvp.card.features import LLP_FEATURES
from leap_avvp.card.reduce import MAP_ROWS, file_rows, row_weights
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.llp import NUM_SEGMENTS
from leap_avvp.models.arguments import check_whole

__all__ = ["Frontend", "JointFrontend", "StreamFrontend", "to_segments"]


def to_segments(values: Tensor, stream: Stream, num_segments: int) -> Tensor:
    """Return the rows of files (B, R, F) as segments (B, T, F), as the stream says; segments as they are.

    Raises:
        DataError: another number of rows.
    """
    rows = values.shape[1]
    expected = file_rows(stream.rows, num_segments)
    if rows == num_segments and expected != rows:
        return values
    if expected not in (None, rows):
        also = "" if expected == num_segments else f" or {num_segments} segments"
        raise DataError(f"{stream.name}: expected {expected} rows{also}, found shape {tuple(values.shape)}")
    if stream.reduce == "segment":
        return values
    if stream.reduce == "mean":
        batch, _, width = values.shape
        return values.reshape(batch, num_segments, rows // num_segments, width).mean(dim=2)
    weights = torch.from_numpy(row_weights(stream.reduce, rows, num_segments)).to(values)
    return weights @ values


class StreamFrontend(nn.Module):
    """What front ends share: the streams of a feature set, their shapes, and the way from rows to segments.

    Args:
        dim: D.
        features: the streams, their widths and how rows become segments; None takes LLP's.
        num_segments: T of the data, where no stream tells it by one row a segment.

    Raises:
        ConfigError: a size that is no whole number of at least 1, by its key; 64 segments of CLAP's 64 rows.
    """

    def __init__(self, dim: int = 512, features: FeatureSet | None = None, num_segments: int = NUM_SEGMENTS) -> None:
        super().__init__()
        check_whole("frontend.dim", dim)
        self.features = features or LLP_FEATURES
        for stream in self.features.streams.values():
            if stream.reduce == "clap_map" and num_segments == MAP_ROWS:
                raise ConfigError(
                    f"segments: expected another number than {MAP_ROWS} for the features {self.features.name}: a file "
                    f"of {stream.name} has as many rows, which could not be told from segments"
                )
        self.num_segments = num_segments
        self.has_3d = "video_3d" in self.features.streams

    def forward(self, audio: Tensor, video_2d: Tensor, video_3d: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return audio and visual streams, both (B, T, D).

        Args:
            audio: (B, R, F) rows as the files have them, or (B, T, F) segments
            video_2d: likewise
            video_3d: likewise, where the feature set has it

        Raises:
            DataError: naming the input whose shape does not fit.
        """
        given = {"audio": audio, "video_2d": video_2d, "video_3d": video_3d}
        segments = self._segments({name: value for name, value in given.items() if value is not None})
        return self._audio(segments["audio"]), self._visual(segments)

    def _audio(self, audio: Tensor) -> Tensor:
        """Map segments (B, T, F) to (B, T, D)."""
        raise NotImplementedError

    def _visual(self, segments: dict[str, Tensor]) -> Tensor:
        """Map the visual streams' segments, by name, to (B, T, D)."""
        raise NotImplementedError

    def _segments(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        streams = self.features.streams
        for name in given.keys() ^ streams.keys():
            what = "found none" if name in streams else "found one, which these features do not have"
            raise DataError(f"{name}: expected the streams {', '.join(streams)}, {what}")
        for name, value in given.items():
            if value.dim() != 3 or value.shape[-1] != streams[name].width:
                raise DataError(f"{name}: expected (B, T, {streams[name].width}), found shape {tuple(value.shape)}")
        known = [value.shape[1] for name, value in given.items() if streams[name].reduce == "segment"]
        number = known[0] if known else self.num_segments
        found = {name: to_segments(value, streams[name], number) for name, value in given.items()}
        if any(value.shape[:2] != found["audio"].shape[:2] for value in found.values()):
            shapes = ", ".join(str(tuple(value.shape)) for value in given.values())
            raise DataError(f"{' and '.join(given)}: expected the same videos and segments, found shapes {shapes}")
        return found


class Frontend(StreamFrontend):
    """``a = W_a audio``, ``v = W_f [W_v mean8(video_2d); W_s video_3d]``; of a set without 3D, ``v = W_v video_2d``.

    The released HAN, MM-Pyramid, LEAP and VALOR bring rows to segments after W_a and W_v; before is the same affine map
    at less work. Arguments and errors are those of :class:`StreamFrontend`.
    """

    def __init__(self, dim: int = 512, features: FeatureSet | None = None, num_segments: int = NUM_SEGMENTS) -> None:
        super().__init__(dim, features, num_segments)
        widths = self.features.widths
        self.audio = nn.Linear(widths["audio"], dim)
        self.video_2d = nn.Linear(widths["video_2d"], dim)
        if self.has_3d:
            self.video_3d = nn.Linear(widths["video_3d"], dim)
            self.fusion = nn.Linear(2 * dim, dim)

    def _audio(self, audio: Tensor) -> Tensor:
        out: Tensor = self.audio(audio)
        return out

    def _visual(self, segments: dict[str, Tensor]) -> Tensor:
        visual: Tensor = self.video_2d(segments["video_2d"])
        if self.has_3d:
            visual = self.fusion(torch.cat((visual, self.video_3d(segments["video_3d"])), dim=-1))
        return visual


class JointFrontend(StreamFrontend):
    """``a = W_2 relu(W_1 audio)`` with 2 D hidden units, ``v = W_f [video_2d; video_3d]`` (UWAV, CVPR 2025).

    Args:
        dim: D.
        features: see :class:`StreamFrontend`; rows become segments before any map.
        num_segments: likewise.
        project_visual: of a set without 3D: ``v = W_f video_2d``; False takes ``v = video_2d``, whose width must be D.

    Raises:
        ConfigError: as :class:`StreamFrontend`; visual features that are to go in as they are and cannot.
    """

    def __init__(
        self,
        dim: int = 512,
        features: FeatureSet | None = None,
        num_segments: int = NUM_SEGMENTS,
        project_visual: bool = True,
    ) -> None:
        super().__init__(dim, features, num_segments)
        widths = self.features.widths
        self.audio_inner = nn.Linear(widths["audio"], 2 * dim)
        self.audio = nn.Linear(2 * dim, dim)
        self.project_visual = project_visual
        if project_visual:
            self.fusion = nn.Linear(widths["video_2d"] + widths.get("video_3d", 0), dim)
        elif self.has_3d:
            raise ConfigError(
                "frontend.project_visual: expected true for features with video_3d, which are joined by one map, found "
                f"false with the features {self.features.name}; take a set without video_3d, or leave it true"
            )
        elif widths["video_2d"] != dim:
            raise ConfigError(
                f"frontend.project_visual: false lets video_2d in as it is, so its width must be encoder.dim, found "
                f"{widths['video_2d']} and {dim}; set encoder.dim and decoder.dim to {widths['video_2d']}, or leave it "
                "true"
            )

    def _audio(self, audio: Tensor) -> Tensor:
        out: Tensor = self.audio(self.audio_inner(audio).relu())
        return out

    def _visual(self, segments: dict[str, Tensor]) -> Tensor:
        if not self.project_visual:
            return segments["video_2d"]
        parts = [segments[name] for name in ("video_2d", "video_3d") if name in segments]
        out: Tensor = self.fusion(torch.cat(parts, dim=-1))
        return out

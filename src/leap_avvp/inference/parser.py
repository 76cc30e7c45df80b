"""A trained model in use: features of videos come in, what is heard and seen when goes out."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from leap_avvp.card import DataCard
from leap_avvp.config.cards import same_card
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.inference.features import Features, segments_of
from leap_avvp.inference.result import ParseResult
from leap_avvp.inference.videos import data_card, read_video
from leap_avvp.metrics import Protocol
from leap_avvp.metrics.protocol import non_finite_videos

__all__ = ["PROBABILITIES", "Parser", "device_named"]

PROBABILITIES = ("segment_audio_prob", "segment_visual_prob", "audio_prob", "visual_prob", "video_prob")
_CHUNK = 128
_SHOWN = 5


def device_named(name: str | torch.device) -> torch.device:
    """Return a device; ``auto`` is the GPU where there is one.

    Raises:
        ConfigError: no such device, here or anywhere.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = (str(error).splitlines() or ["?"])[0][:200]
        raise ConfigError(f"device: expected cpu, cuda or auto, found {str(name)[:40]!r} ({reason})") from error
    return device


class Parser:
    """A trained model with its data card and its protocol. T segments, C classes.

    Args:
        model: a :class:`~leap_avvp.models.VideoParser`, or what computes the same; is put into eval mode.
        card: classes, segments and features that it was trained for.
        protocol: how probabilities become events.
        source: where it comes from, for messages and records.
        trained_on: name of the data, ``simulated`` among them; None where that is not known.
        config: plain, of the training.
        config_hash: of the training's configuration.
    """

    def __init__(
        self,
        model: nn.Module,
        card: DataCard,
        protocol: Protocol | None = None,
        *,
        source: str = "model",
        trained_on: str | None = None,
        config: Mapping[str, Any] | None = None,
        config_hash: str = "",
    ) -> None:
        self.model = model.eval()
        self.card = card
        self.protocol = protocol or Protocol()
        self.source, self.trained_on = source, trained_on
        self.config, self.config_hash = dict(config or {}), config_hash

    def __repr__(self) -> str:
        warning = ", trained on SIMULATED data" if self.trained_on == "simulated" else ""
        return (
            f"Parser(card {self.card.name}: {self.card.num_classes} classes, {self.card.segments} segments of "
            f"{self.card.seconds:g} s, features {self.card.features.describe()}; {self.protocol.name}{warning})"
        )

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(itertools.chain(self.model.parameters(), self.model.buffers())).device

    def to(self, device: str | torch.device) -> Parser:
        """Move the model to ``cpu``, ``cuda`` or (``auto``) the GPU where there is one; return this parser.

        Raises:
            ConfigError: no such device.
        """
        self.model.to(device_named(device))
        return self

    @overload
    def parse(self, features: Features, video_id: str = "") -> ParseResult: ...
    @overload
    def parse(self, features: Features, video_id: list[str]) -> list[ParseResult]: ...
    def parse(self, features: Features, video_id: str | list[str] = "") -> ParseResult | list[ParseResult]:
        """Parse one video, or several of a batch.

        Args:
            features: by stream, as ``card.features`` names them: (R, F) rows as a video's files have them, or (T, F) a
                row a segment; numpy or torch, any width of floating-point numbers. (B, R, F) of several videos.
            video_id: names the video; of several a list of B names.

        Returns:
            A result; of several videos a list of B.

        Raises:
            DataError: features of another name, shape or type, with NaN or Inf, or probabilities that are not finite.
        """
        segments, single = segments_of(features, self.card)
        number = len(segments["audio"])
        names = list(video_id) if isinstance(video_id, list | tuple) else [video_id] * number
        if len(names) != number or (single != isinstance(video_id, str) and video_id != ""):
            expected = "one name" if single else f"a list of {number} names"
            raise DataError(f"video_id: expected {expected}, found {str(video_id)[:80]!r}")
        results: list[ParseResult] = []
        for start in range(0, number, _CHUNK):
            rows = slice(start, start + _CHUNK)
            said = self.parse_segments({name: array[rows] for name, array in segments.items()}, names[rows])
            results += [self._result(said, row, name, self.card) for row, name in enumerate(names[rows])]
        return results[0] if single else results

    def parse_files(self, root: str | Path, video_id: str) -> ParseResult:
        """Parse one video of a data folder.

        Args:
            root: holds the folders of features; read by its own card where it has one, else by the model's.
            video_id: what names the video's files.

        Raises:
            ConfigError: data of another card.
            DataError: a file that is missing or damaged.
        """
        card = data_card(Path(root), self.card)
        same_card(Path(self.source), self.card, card)
        features = read_video(root, card, video_id)
        said = self.parse_segments({name: array[None] for name, array in features.items()}, [video_id])
        return self._result(said, 0, video_id, card)

    def parse_segments(
        self, segments: Mapping[str, NDArray[np.float32]], names: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """Return what the model says of a batch, by the names that a file of predictions has.

        Boolean ``audio`` and ``visual`` (B, T, C), as the protocol makes them, and ``video`` (B, C); float32
        ``segment_audio_prob`` and ``segment_visual_prob`` (B, T, C), ``audio_prob``, ``visual_prob`` and ``video_prob``
        (B, C).

        Args:
            segments: by stream: (B, T, F), finite.
            names: of the videos, for messages.

        Raises:
            DataError: NaN or Inf among the probabilities.
        """
        device = self.device
        with torch.inference_mode():
            # A copy: torch warns of arrays that cannot be written.
            out = self.model(**{name: torch.tensor(array).to(device) for name, array in segments.items()})
            bad = non_finite_videos(out)
            if bad:
                shown = ", ".join(names[row] or f"number {row}" for row in bad[:_SHOWN])
                more = ", ..." if len(bad) > _SHOWN else ""
                raise DataError(
                    f"{self.source}: expected finite probabilities, found NaN or Inf for {len(bad)} of {len(names)} "
                    f"videos of a batch: {shown}{more}; the weights hold NaN or the features are out of range"
                )
            audio, visual = self.protocol.apply(out)
            grids = {"audio": audio, "visual": visual, "video": self.protocol.video(out)}
            said = {name: tensor.cpu().numpy() for name, tensor in grids.items()}
            return said | {name: out[name].float().cpu().numpy() for name in PROBABILITIES}

    def _result(self, said: Mapping[str, NDArray[Any]], row: int, name: str, card: DataCard) -> ParseResult:
        return ParseResult(
            video_id=name,
            card=card,
            protocol=self.protocol.name,
            audio=said["segment_audio_prob"][row],
            visual=said["segment_visual_prob"][row],
            video=said["video_prob"][row],
            heard=said["audio_prob"][row],
            seen=said["visual_prob"][row],
            audio_events=said["audio"][row],
            visual_events=said["visual"][row],
            trained_on=self.trained_on,
        )

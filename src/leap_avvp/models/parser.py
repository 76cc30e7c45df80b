"""The parser: front end, encoder and decoder, put together."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from leap_avvp.errors import ConfigError
from leap_avvp.models.frontend import Frontend, StreamFrontend
from leap_avvp.types import EncoderOutput, ParserOutput

__all__ = ["PlainParser", "VideoParser"]


class VideoParser(nn.Module):
    """Says which events a video holds, in which second, heard or seen. Any encoder goes with any decoder.

    Args:
        encoder: ``(audio (B, T, D), visual (B, T, D)) -> EncoderOutput``, with its width as ``encoder.dim``.
        decoder: ``EncoderOutput -> ParserOutput``, with its width as ``decoder.dim``.
        frontend: input features to two streams of width D; None takes the one of LLP's features.

    Raises:
        ConfigError: encoder and decoder have no width, or two.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, frontend: StreamFrontend | None = None) -> None:
        super().__init__()
        for name, part in (("encoder", encoder), ("decoder", decoder)):
            if not isinstance(getattr(part, "dim", None), int):
                raise ConfigError(f"{name}: expected a module with its width as `dim`, found {type(part).__name__}")
        if encoder.dim != decoder.dim:
            raise ConfigError(
                f"encoder.dim and decoder.dim: expected the same width, found {encoder.dim} and {decoder.dim}"
            )
        self.frontend = frontend or Frontend(dim=int(encoder.dim))  # type: ignore[arg-type]
        self.encoder = encoder
        self.decoder = decoder
        self.released_extras: dict[str, Tensor] | None = None
        """Parameters of a released program that it never uses, kept only to give them back."""

    def forward(self, *, audio: Tensor, video_2d: Tensor, video_3d: Tensor | None = None, **_: Any) -> ParserOutput:
        """Parse videos; further entries of a batch are ignored, so that ``parser(**batch)`` works.

        Args:
            audio: (B, T, F), of LLP's features (B, T, 128)
            video_2d: (B, T, F), of LLP's (B, 8 T, 2048) frames, or (B, T, 2048) already averaged over each second
            video_3d: (B, T, F), of LLP's (B, T, 512), where the features have it
        """
        encoded: EncoderOutput = self.encoder(*self.frontend(audio, video_2d, video_3d))
        out: ParserOutput = self.decoder(encoded)
        return out

    def unimodal(self, *, audio: Tensor, video_2d: Tensor, video_3d: Tensor | None = None, **_: Any) -> ParserOutput:
        """Parse videos with the same weights, neither modality seeing the other.

        Args:
            audio: see :meth:`forward`
            video_2d: likewise
            video_3d: likewise

        Raises:
            ConfigError: an encoder that cannot do without the other modality.
        """
        encode = getattr(self.encoder, "unimodal", None)
        if encode is None:
            raise ConfigError(
                "encoder: expected one that can leave cross-modal attention out (a method `unimodal`), as HAN, found "
                f"{type(self.encoder).__name__}; choose encoder=han"
            )
        out: ParserOutput = self.decoder(encode(*self.frontend(audio, video_2d, video_3d)))
        return out


class PlainParser(nn.Module):
    """A parser for tools that know neither keyword-only inputs nor dataclasses, as ``torch.jit.trace``.

    ``torch.jit.trace(PlainParser(parser.eval()), example_kwarg_inputs=features, strict=False)`` fixes the number of
    segments, and leaves that of the videos open. ``torch.export.export`` takes a :class:`VideoParser` as it is.
    """

    def __init__(self, parser: VideoParser) -> None:
        super().__init__()
        self.parser = parser

    def forward(self, audio: Tensor, video_2d: Tensor, video_3d: Tensor | None = None) -> dict[str, Tensor]:
        """Return the fields of :class:`~leap_avvp.types.ParserOutput` that the parser fills, as a plain dict.

        Args:
            audio: see :meth:`VideoParser.forward`
            video_2d: likewise
            video_3d: likewise
        """
        return dict(self.parser(audio=audio, video_2d=video_2d, video_3d=video_3d))

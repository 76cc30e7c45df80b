"""An encoder that leaves segment features as they are, for decoders that look at the context themselves."""

from __future__ import annotations

from torch import Tensor, nn

from leap_avvp.models.arguments import check_whole
from leap_avvp.types import EncoderOutput

__all__ = ["PassThrough"]


class PassThrough(nn.Module):
    """Gives the front end's features to the decoder; it has no weights.

    Args:
        dim: D, of the front end and of the decoder.

    Raises:
        ConfigError: a wrong argument, by its key (``encoder.dim``).
    """

    def __init__(self, dim: int = 512) -> None:
        super().__init__()
        self.dim = check_whole("encoder.dim", dim)

    def forward(self, audio: Tensor, visual: Tensor) -> EncoderOutput:
        """Return ``audio`` and ``visual`` (B, T, D)."""
        return EncoderOutput(audio, visual)

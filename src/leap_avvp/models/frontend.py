"""The front end that every model of the field shares: three feature streams to two of width D."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leap_avvp.errors import DataError
from leap_avvp.llp import AUDIO_DIM, FRAMES_PER_SEGMENT, VISUAL_2D_DIM, VISUAL_3D_DIM
from leap_avvp.models.arguments import check_whole

__all__ = ["Frontend", "pool_frames"]


def pool_frames(video_2d: Tensor, num_segments: int) -> Tensor:
    """Return frame features (B, 8 T, F) averaged over each second: (B, T, F); already pooled ones as they are."""
    if video_2d.shape[1] == num_segments:
        return video_2d
    if video_2d.shape[1] != num_segments * FRAMES_PER_SEGMENT:
        raise DataError(
            f"video_2d: expected {num_segments * FRAMES_PER_SEGMENT} frames or {num_segments} pooled segments, "
            f"found shape {tuple(video_2d.shape)}"
        )
    batch, _, width = video_2d.shape
    return video_2d.reshape(batch, num_segments, FRAMES_PER_SEGMENT, width).mean(dim=2)


class Frontend(nn.Module):
    """``a = W_a audio``, ``v = W_f [W_v mean8(video_2d); W_s video_3d]``.

    The released programs average after W_v; averaging first is the same affine map at an eighth of the work.

    Raises:
        ConfigError: a size that is no whole number of at least 1, by its key.
    """

    def __init__(
        self,
        dim: int = 512,
        audio_dim: int = AUDIO_DIM,
        video_2d_dim: int = VISUAL_2D_DIM,
        video_3d_dim: int = VISUAL_3D_DIM,
    ) -> None:
        super().__init__()
        sizes = {"dim": dim, "audio_dim": audio_dim, "video_2d_dim": video_2d_dim, "video_3d_dim": video_3d_dim}
        for key, size in sizes.items():
            check_whole(f"frontend.{key}", size)
        self.audio = nn.Linear(audio_dim, dim)
        self.video_2d = nn.Linear(video_2d_dim, dim)
        self.video_3d = nn.Linear(video_3d_dim, dim)
        self.fusion = nn.Linear(2 * dim, dim)

    def forward(self, audio: Tensor, video_2d: Tensor, video_3d: Tensor) -> tuple[Tensor, Tensor]:
        """Return audio and visual streams, both (B, T, D).

        Args:
            audio: (B, T, 128)
            video_2d: (B, 8 T, 2048), or (B, T, 2048) already averaged
            video_3d: (B, T, 512)

        Raises:
            DataError: naming the input whose shape does not fit.
        """
        self._check(audio, video_2d, video_3d)
        frames = self.video_2d(pool_frames(video_2d, audio.shape[1]))
        visual = self.fusion(torch.cat((frames, self.video_3d(video_3d)), dim=-1))
        return self.audio(audio), visual

    def _check(self, audio: Tensor, video_2d: Tensor, video_3d: Tensor) -> None:
        for name, value, layer in (
            ("audio", audio, self.audio),
            ("video_2d", video_2d, self.video_2d),
            ("video_3d", video_3d, self.video_3d),
        ):
            if value.dim() != 3 or value.shape[-1] != layer.in_features:
                raise DataError(f"{name}: expected (B, T, {layer.in_features}), found shape {tuple(value.shape)}")
        if audio.shape[:2] != video_3d.shape[:2] or audio.shape[0] != video_2d.shape[0]:
            raise DataError(
                "audio, video_2d and video_3d: expected the same videos and segments, found shapes "
                f"{tuple(audio.shape)}, {tuple(video_2d.shape)}, {tuple(video_3d.shape)}"
            )

"""What flows between the parts: a batch, the encoder's output and the parser's output. Fields name their axes.

B videos, T segments, C classes (10 and 25 of LLP), F features of a stream, D = 512 features, H attention heads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import NotRequired, TypedDict

import torch
from torch import Tensor

__all__ = ["Batch", "EncoderOutput", "ParserOutput"]


class Batch(TypedDict):
    """Videos of one step, as every data source yields them. All tensors float32 unless said otherwise."""

    video_id: list[str]
    """Length B, what names the videos' files: 11 characters of LLP."""
    audio: Tensor
    """(B, T, F): of LLP (B, T, 128) VGGish."""
    video_2d: Tensor
    """(B, T, F): of LLP (B, T, 2048) ResNet-152, the mean over each second's 8 frames (or (B, 8 T, 2048))."""
    video_3d: NotRequired[Tensor]
    """(B, T, F): of LLP (B, T, 512) R(2+1)D-18; a feature set may have none."""
    video_label: Tensor
    """(B, C) weak label, 0 or 1."""
    segment_audio: NotRequired[Tensor]
    """(B, T, C) training only: audio pseudo labels from 0 to 1, or the repeated weak label where there are none."""
    segment_visual: NotRequired[Tensor]
    """(B, T, C) training only: as above, for the visual modality."""
    video_audio: NotRequired[Tensor]
    """(B, C) training only: the audio video-level target where it is not the largest of the segments."""
    video_visual: NotRequired[Tensor]
    """(B, C) training only: as above, for the visual modality."""
    target_audio: NotRequired[Tensor]
    """(B, T, C) bool, validation and test only: the dense truth."""
    target_visual: NotRequired[Tensor]
    """(B, T, C) bool, validation and test only: the dense truth."""


@dataclasses.dataclass(frozen=True)
class EncoderOutput:
    """Context-aware segment features of the two modalities."""

    audio: Tensor
    """(B, T, D)"""
    visual: Tensor
    """(B, T, D)"""


@dataclasses.dataclass(frozen=True)
class ParserOutput(Mapping[str, Tensor]):
    """All that a parser says of a batch; also a read-only mapping from field name to tensor (None left out)."""

    video_prob: Tensor
    """(B, C) the event occurs in the video; hard 0 or 1 for LEAP."""
    audio_prob: Tensor
    """(B, C) the event is heard somewhere in the video."""
    visual_prob: Tensor
    """(B, C) the event is seen somewhere in the video."""
    segment_audio_prob: Tensor
    """(B, T, C)"""
    segment_visual_prob: Tensor
    """(B, T, C)"""
    audio_feature: Tensor
    """(B, T, D) the encoder's output, which the alignment loss compares."""
    visual_feature: Tensor
    """(B, T, D)"""
    label_audio_feature: Tensor | None = None
    """(B, C, D) LEAP only: label features after the block that is read."""
    label_visual_feature: Tensor | None = None
    """(B, C, D) LEAP only."""
    audio_attention: Tensor | None = None
    """(B, H, C, T) softmax over the segments, which sums to 1: of LEAP the cross-modal attention of the block that is
    read; of MMIL, with H = 1, what its pooling weighs the segments by."""
    visual_attention: Tensor | None = None
    """(B, H, C, T) as above, for the visual modality."""
    segment_audio_logit: Tensor | None = None
    """(B, T, C) whose sigmoid ``segment_audio_prob`` is, for losses that would lose digits in the probability."""
    segment_visual_logit: Tensor | None = None
    """(B, T, C) as above, for the visual modality."""
    auxiliary: dict[str, Tensor] | None = None
    """What only a loss reads, by name. ``out["name"]`` finds it where no field has the name; iteration and length
    leave it out, so that exported models do not give it."""

    def __getitem__(self, name: str) -> Tensor:
        known = name in self.__dataclass_fields__ and name != "auxiliary"
        value = getattr(self, name) if known else (self.auxiliary or {}).get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        names = (field.name for field in dataclasses.fields(self) if field.name != "auxiliary")
        return (name for name in names if getattr(self, name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


# Known to torch as containers of tensors: `torch.export` returns them, and other tools look inside.
for _output in (EncoderOutput, ParserOutput):
    torch.export.register_dataclass(_output, serialized_type_name=f"{__name__}.{_output.__name__}")

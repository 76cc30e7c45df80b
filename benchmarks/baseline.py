"""The obvious way to do it, as the field's programs do: what the package is measured against.

All 80 frames go through the first layer, each sample costs a ``np.load`` an array, masks are built element by element
in Python, each projection is a product of its own, LEAP's queries are projected for every video and its attention is
computed twice, torch's own dropout and convolutions, one optimizer operation a tensor, metrics in loops over videos and
classes. The weights are those of a :class:`~leap_avvp.models.VideoParser`, so both can be held to the same outputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from leap_avvp.llp import FEATURE_FOLDERS, NUM_CLASSES, PSEUDO_LABEL_FOLDERS
from leap_avvp.models import LEAPDecoder, MMPyramid, VideoParser
from leap_avvp.models.attention import FeedForward, MultiHeadAttention, PreNormBlock
from leap_avvp.models.encoders.mm_pyramid import DilatedConvolution, Gate, LevelFusion

__all__ = ["PlainDataset", "PlainParser", "plain_scores"]


def _mask(length: int, width: int) -> Tensor:
    mask = torch.zeros(length, length, dtype=torch.bool)
    for i in range(length):
        for j in range(length):
            if abs(i - j) <= width:
                mask[i, j] = True
    return mask


def _halves(layer: nn.Linear) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    (first, second), (bias, other) = layer.weight.chunk(2), layer.bias.chunk(2)
    return (first, bias), (second, other)


def _attend(attention: MultiHeadAttention, query: Tensor, memory: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the output and the scores before mask and softmax (B, H, Q, S)."""
    (key_weight, key_bias), (value_weight, value_bias) = _halves(attention.key_value)
    heads = attention.num_heads

    def split(x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2).contiguous()

    queries = split(attention.query(query))
    keys = split(functional.linear(memory, key_weight, key_bias))
    values = split(functional.linear(memory, value_weight, value_bias))
    scores = torch.matmul(queries, keys.transpose(2, 3)) / math.sqrt(queries.shape[-1])
    visible = scores if mask is None else scores.masked_fill(~mask, -1e9)
    weights = functional.dropout(visible.softmax(-1), attention.dropout.p, attention.training)
    mixed = torch.matmul(weights, values).transpose(1, 2).contiguous().view(query.shape)
    return attention.output(mixed), scores


def _feed_forward(layer: FeedForward, x: Tensor) -> Tensor:
    out: Tensor = layer.outer(functional.dropout(layer.inner(x).relu(), layer.dropout.p, layer.training))
    return out


def _block(block: PreNormBlock, query: Tensor, memory: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return q' after the attention residual, and the block's output."""
    drop, training = block.dropout.p, block.training
    attended, _ = _attend(block.attention, block.attention_norm(query), memory, mask)
    attended = query + functional.dropout(attended, drop, training)
    changed = _feed_forward(block.feed_forward, block.feed_forward_norm(attended))
    return attended, attended + functional.dropout(changed, drop, training)


def _gate(gate: Gate, own: Tensor, cross: Tensor) -> Tensor:
    (own_weight, own_bias), (cross_weight, cross_bias) = _halves(gate.weigh)
    both = torch.cat((own, cross), -1)
    return (
        torch.sigmoid(functional.linear(both, own_weight, own_bias)) * own
        + torch.sigmoid(functional.linear(both, cross_weight, cross_bias)) * cross
    )


def _convolve(layer: DilatedConvolution, x: Tensor) -> Tensor:
    out: Tensor = layer.point(layer.wide(x.transpose(1, 2)).relu()).transpose(1, 2)
    return (out + x).relu()


def _fuse(fusion: LevelFusion, levels: Sequence[Tensor]) -> Tensor:
    batch, length, dim = levels[0].shape
    tokens = torch.stack(list(levels), 2).view(batch * length, len(levels), dim)
    _, tokens = _block(fusion.block, tokens, tokens)
    return (torch.sigmoid(fusion.select(tokens)) * tokens).sum(1).view(batch, length, dim)


class PlainParser(nn.Module):
    """MM-Pyramid + LEAP with the weights of ``parser``, computed the obvious way."""

    def __init__(self, parser: VideoParser) -> None:
        super().__init__()
        assert isinstance(parser.encoder, MMPyramid)
        assert isinstance(parser.decoder, LEAPDecoder)
        self.parser = parser

    def forward(self, audio: Tensor, video_2d: Tensor, video_3d: Tensor) -> dict[str, Tensor]:
        """Parse (B, T, 128), (B, 8 T, 2048) and (B, T, 512)."""
        front = self.parser.frontend
        frames = front.video_2d(video_2d)
        frames = frames.view(len(audio), audio.shape[1], 8, -1).mean(2)
        visual = front.fusion(torch.cat((frames, front.video_3d(video_3d)), -1))
        audio = front.audio(audio)
        levels: list[tuple[Tensor, Tensor]] = []
        for level in self.parser.encoder.levels:  # type: ignore[union-attr]
            mask = _mask(audio.shape[1], level.mask.width)
            heard = _block(level.audio_self, audio, audio, mask)[1]
            seen = _block(level.visual_self, visual, visual, mask)[1]
            heard_across = _block(level.cross, audio, visual, mask)[1]
            seen_across = _block(level.cross, visual, audio, mask)[1]
            audio = _convolve(level.audio_convolution, _gate(level.audio_gate, heard, heard_across))
            visual = _convolve(level.visual_convolution, _gate(level.visual_gate, seen, seen_across))
            levels.append((audio, visual))
        encoder = self.parser.encoder
        audio = _fuse(encoder.audio_fusion, [pair[0] for pair in levels])  # type: ignore[arg-type]
        visual = _fuse(encoder.visual_fusion, [pair[1] for pair in levels])  # type: ignore[arg-type]
        out = {"audio_feature": audio, "visual_feature": visual}
        decoder = self.parser.decoder
        labels = decoder.label_projection(decoder.label_queries()).repeat(len(audio), 1, 1)  # type: ignore[operator]
        for name, stream in (("audio", audio), ("visual", visual)):
            projection = getattr(decoder, name)
            feature = labels
            for block in projection.blocks:
                attended, feature_after = _block(block, feature, stream)
                _, scores = _attend(block.attention, attended, stream, None)  # the whole attention once more
                feature = feature_after
            out[f"{name}_prob"] = torch.sigmoid(projection.presence(feature).squeeze(-1))
            out[f"segment_{name}_prob"] = torch.sigmoid(scores.mean(1).transpose(1, 2))
        out["video_prob"] = ((out["audio_prob"] >= 0.5) | (out["visual_prob"] >= 0.5)).float()
        return out


class PlainDataset(Dataset[dict[str, Tensor]]):
    """One sample an index, one file an array, the label embeddings read each time."""

    def __init__(self, root: Path, video_ids: Sequence[str], embedding: Path) -> None:
        self.root, self.video_ids, self.embedding = root, list(video_ids), embedding

    def __len__(self) -> int:
        return len(self.video_ids)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        name = f"{self.video_ids[index]}.npy"
        sample = {key: np.load(self.root / folder / name) for key, folder in FEATURE_FOLDERS.items()}
        for key, folder in PSEUDO_LABEL_FOLDERS.items():
            sample[f"segment_{key}"] = np.load(self.root / folder / name).astype(np.float32)
        with np.load(self.embedding) as file:
            sample["label_embedding"] = file["embedding"]
        return {key: torch.from_numpy(value) for key, value in sample.items()}


def _runs(row: Sequence[bool]) -> list[tuple[int, int]]:
    runs, start = [], None
    for t, active in enumerate([*row, False]):
        if active and start is None:
            start = t
        if not active and start is not None:
            runs.append((start, t))
            start = None
    return runs


def _events(prediction: NDArray[Any], target: NDArray[Any]) -> tuple[int, int, int]:
    said, true = _runs(prediction.tolist()), _runs(target.tolist())

    def near(a: tuple[int, int], b: tuple[int, int]) -> bool:
        common = max(0, min(a[1], b[1]) - max(a[0], b[0]))
        return common > 0 and common / (max(a[1], b[1]) - min(a[0], b[0])) >= 0.5

    hits = sum(any(near(run, other) for other in true) for run in said)
    missed = sum(not any(near(run, other) for other in said) for run in true)
    return hits, len(said) - hits, missed


def _segments(prediction: NDArray[Any], target: NDArray[Any]) -> tuple[int, int, int]:
    hits = false = missed = 0
    for said, true in zip(prediction.tolist(), target.tolist(), strict=True):
        hits += said and true
        false += said and not true
        missed += true and not said
    return hits, false, missed


def _f1(counts: Sequence[tuple[int, int, int]]) -> float:
    values = [2 * hits / (2 * hits + false + missed) for hits, false, missed in counts if hits + false + missed]
    return sum(values) / len(values) if values else 1.0


def plain_scores(
    pred_audio: NDArray[Any], pred_visual: NDArray[Any], target_audio: NDArray[Any], target_visual: NDArray[Any]
) -> dict[str, float]:
    """Return the ten scores in percent of boolean grids (N, T, C), video by video and class by class."""
    totals: dict[str, float] = {}
    for video in range(len(pred_audio)):
        pairs = {
            "audio": (pred_audio[video], target_audio[video]),
            "visual": (pred_visual[video], target_visual[video]),
            "audio_visual": (pred_audio[video] & pred_visual[video], target_audio[video] & target_visual[video]),
        }
        for level, count in (("segment", _segments), ("event", _events)):
            counts = {
                name: [count(said[:, label], true[:, label]) for label in range(NUM_CLASSES)]
                for name, (said, true) in pairs.items()
            }
            f1 = {name: _f1(values) for name, values in counts.items()}
            f1["type_av"] = sum(f1.values()) / 3
            both = zip(counts["audio"], counts["visual"], strict=True)
            f1["event_av"] = _f1([(a[0] + b[0], a[1] + b[1], a[2] + b[2]) for a, b in both])
            for name, value in f1.items():
                totals[f"{level}/{name}"] = totals.get(f"{level}/{name}", 0.0) + value
    return {name: 100 * value / len(pred_audio) for name, value in totals.items()}

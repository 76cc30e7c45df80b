"""MM-CSE, the multimodal class-aware semantic enhancement network (Zhao et al., AAAI 2025), as a decoder.

There is no golden file of it: its program has no licence, and is not run here. The order of the parts, their number and
the widths that a configuration names are published; where nothing is said the plain reading stands, and is ours:

- MLPs have one hidden layer with ReLU, and each modality has its own; what comes after is shared by both, as in HAN;
- a class's gate reads the class's own feature; one linear map makes class tokens of all classes;
- what is reconstructed is the encoder's feature, by one linear map of the C + 1 features side by side;
- attention has one head and a softmax; a layer adds to its input, then normalises, as HAN's layers do;
- intra- and cross-modal attention have weights of their own, and one LGSF each, added to what it reads.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from leap_avvp.llp import NUM_CLASSES
from leap_avvp.models.arguments import check_block, check_whole
from leap_avvp.models.attention import FeedForward, MultiHeadAttention
from leap_avvp.models.decoders.mmil import pool_segments
from leap_avvp.models.dropout import Dropout
from leap_avvp.types import EncoderOutput, ParserOutput

__all__ = ["ClassDecoupling", "ClassLinear", "GlobalFusion", "MMCSEDecoder", "SemanticLayer"]

_MOST_LAYERS = 64


class ClassLinear(nn.Module):
    """``y_c = W_c x_c + b_c``: a linear map for each of C classes, as one product: (..., C, I) -> (..., C, O).

    Each starts as torch's ``nn.Linear`` of its size does.
    """

    def __init__(self, num_classes: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(num_classes, outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(num_classes, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (..., C, I)."""
        out: Tensor = torch.einsum("...ci,coi->...co", x, self.weight) + self.bias
        return out


class ClassDecoupling(nn.Module):
    """CAFD: a segment's mixed feature becomes one feature a class and one of the background, E wide each.

    ``e_c = MLP_c(x)`` for the C classes and the background b; ``alpha_c = sigmoid(w_c e_c + b_c)``; the token of class
    c is ``W [alpha_c e_c; (1 - alpha_c) e_b]``.
    """

    def __init__(self, dim: int, num_classes: int, class_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.hidden_dim = hidden_dim
        # All MLPs read the same x: their first layers are one matrix.
        self.inner = nn.Linear(dim, (num_classes + 1) * hidden_dim)
        self.outer = ClassLinear(num_classes + 1, hidden_dim, class_dim)
        self.gate = ClassLinear(num_classes, class_dim, 1)
        self.token = nn.Linear(2 * class_dim, class_dim)
        self.restore = nn.Linear((num_classes + 1) * class_dim, dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return class tokens (B, T, C, E) and features (B, T, C + 1, E), the background last, of ``x`` (B, T, D)."""
        hidden = self.inner(x).relu().unflatten(-1, (-1, self.hidden_dim))
        features: Tensor = self.outer(hidden)
        own = features[..., :-1, :]
        background = features[..., -1:, :]
        alpha = self.gate(own).sigmoid()  # (B, T, C, 1)
        return self.token(torch.cat((alpha * own, (1 - alpha) * background), dim=-1)), features

    def reconstruct(self, features: Tensor) -> Tensor:
        """Return x (B, T, D) as the features (B, T, C + 1, E) tell it."""
        restored: Tensor = self.restore(features.flatten(-2))
        return restored


class GlobalFusion(nn.Module):
    """LGSF: ``x + sigmoid(cos(f(x), g)) g`` with ``g = mean over the segments of x``, and f a linear map."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.compare = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Fuse ``x`` (B, T, C, E) with what the whole video says of each class."""
        mean = x.mean(dim=1, keepdim=True)
        similarity = functional.cosine_similarity(self.compare(x), mean, dim=-1)  # (B, T, C)
        fused: Tensor = x + similarity.sigmoid().unsqueeze(-1) * mean
        return fused


class SemanticLayer(nn.Module):
    """One layer of FGSE: SECM, attention over the classes within a segment, then LGSF over the segments.

    ``h = LN(x + drop(W_1 LGSF_1(attend_1(x, x)) + W_2 LGSF_2(attend_2(x, z))))`` of a modality x and the other one z;
    ``out = LN(h + drop(FFN(h)))``.
    """

    def __init__(self, dim: int, num_heads: int, feed_forward_dim: int, dropout: float) -> None:
        super().__init__()
        self.intra_attention = MultiHeadAttention(dim, num_heads, dropout)
        self.cross_attention = MultiHeadAttention(dim, num_heads, dropout)
        self.intra_fusion = GlobalFusion(dim)
        self.cross_fusion = GlobalFusion(dim)
        self.intra_output = nn.Linear(dim, dim)
        self.cross_output = nn.Linear(dim, dim)
        self.fusion_norm = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, feed_forward_dim, dropout)
        self.output_norm = nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)

    def _enhance(self, x: Tensor, intra: Tensor, cross: Tensor) -> Tensor:
        fused = self.intra_output(self.intra_fusion(intra)) + self.cross_output(self.cross_fusion(cross))
        hidden = self.fusion_norm(x + self.dropout(fused))
        out: Tensor = self.output_norm(hidden + self.dropout(self.feed_forward(hidden)))
        return out

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Enhance class tokens ``x`` (B, T, C, E) by themselves and by the ``other`` modality's."""
        return self._enhance(x, self.intra_attention.mix(x, x), self.cross_attention.mix(x, other))

    def with_maps(self, x: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return also the maps of intra- and cross-modal attention, (B, T, C, C) each: row i is what class i reads."""
        intra, cross = self.intra_attention(x, x), self.cross_attention(x, other)
        maps = [result.weights.mean(dim=2) for result in (intra, cross)]  # of (B, T, H, C, C)
        return self._enhance(x, intra.output, cross.output), maps[0], maps[1]


class MMCSEDecoder(nn.Module):
    """Class-wise features of each segment, enhanced by the classes beside them, and MMIL's pooling of what they score.

    While training, ``ParserOutput.auxiliary`` has what only its losses read: ``audio_class_feature`` and
    ``visual_class_feature`` (B, T, C + 1, E), the background last; ``audio_reconstruction`` and
    ``visual_reconstruction`` (B, T, D) of the encoder's features; ``cooccurrence_aa``, ``_av``, ``_vv`` and ``_va``
    (L, B, T, C, C), the maps of the L layers, where ``_av`` is what audio reads of visual. Each row sums to 1.

    Args:
        dim: D, the encoder's width.
        num_classes: C.
        class_dim: E, width of a class's feature.
        hidden_dim: hidden units of each of the C + 1 MLPs.
        num_layers: L, of FGSE.
        num_heads: attention heads, a divisor of E; maps are their mean.
        feed_forward_dim: hidden units of the feed-forwards.
        dropout: of attention weights, and after fusion and in and after the feed-forward.

    Raises:
        ConfigError: a wrong argument, by its key (``decoder.num_layers``).
    """

    def __init__(
        self,
        dim: int = 512,
        num_classes: int = NUM_CLASSES,
        class_dim: int = 128,
        hidden_dim: int = 128,
        num_layers: int = 4,
        num_heads: int = 1,
        feed_forward_dim: int = 256,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_whole("decoder.dim", dim)
        check_whole("decoder.num_classes", num_classes)
        check_whole("decoder.class_dim", class_dim)
        check_whole("decoder.hidden_dim", hidden_dim)
        check_whole("decoder.num_layers", num_layers, most=_MOST_LAYERS)
        check_block("decoder", class_dim, num_heads, feed_forward_dim, dropout=dropout)
        self.dim = dim
        self.audio = ClassDecoupling(dim, num_classes, class_dim, hidden_dim)
        self.visual = ClassDecoupling(dim, num_classes, class_dim, hidden_dim)
        self.layers = nn.ModuleList(
            SemanticLayer(class_dim, num_heads, feed_forward_dim, dropout) for _ in range(num_layers)
        )
        self.probability = ClassLinear(num_classes, class_dim, 1)
        self.time_attention = ClassLinear(num_classes, class_dim, 1)
        self.modality_attention = ClassLinear(num_classes, class_dim, 1)

    def _enhance(self, audio: Tensor, visual: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return both modalities' tokens (B, T, C, E) after all layers, and while training the maps by their names."""
        both = torch.cat((audio, visual))  # (2 B, T, C, E): both modalities share the weights
        intra_maps, cross_maps = [], []
        for layer in self.layers:
            assert isinstance(layer, SemanticLayer)
            other = both.view(2, *audio.shape).flip(0).flatten(0, 1)
            if self.training:
                both, intra, cross = layer.with_maps(both, other)
                intra_maps.append(intra)
                cross_maps.append(cross)
            else:
                both = layer(both, other)
        maps: dict[str, Tensor] = {}
        if self.training:
            maps["cooccurrence_aa"], maps["cooccurrence_vv"] = torch.stack(intra_maps).chunk(2, dim=1)
            maps["cooccurrence_av"], maps["cooccurrence_va"] = torch.stack(cross_maps).chunk(2, dim=1)
        audio, visual = both.view(2, *audio.shape).unbind()
        return audio, visual, maps

    def forward(self, encoded: EncoderOutput) -> ParserOutput:
        """Decode (B, T, D) features of both modalities."""
        audio, audio_features = self.audio(encoded.audio)
        visual, visual_features = self.visual(encoded.visual)
        audio, visual, maps = self._enhance(audio, visual)
        streams = torch.stack((audio, visual), dim=2)  # (B, T, 2, C, E)
        auxiliary = None
        if self.training:
            auxiliary = {
                "audio_class_feature": audio_features,
                "visual_class_feature": visual_features,
                "audio_reconstruction": self.audio.reconstruct(audio_features),
                "visual_reconstruction": self.visual.reconstruct(visual_features),
                **maps,
            }
        return pool_segments(
            encoded,
            self.probability(streams).squeeze(-1),
            self.time_attention(streams).squeeze(-1),
            self.modality_attention(streams).squeeze(-1),
            auxiliary,
        )

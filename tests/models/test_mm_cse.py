"""MM-CSE's decoder against a plain reading, class by class and segment by segment; its gradients, export and training.

No golden file of MM-CSE exists: the plain reading is written from the description alone, in NumPy.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from leap_avvp.config.build import Parts
from leap_avvp.config.compose import compose_config, plain
from leap_avvp.errors import ConfigError
from leap_avvp.models import MMCSEDecoder, MMILDecoder, PassThrough, VideoParser
from leap_avvp.training.module import build_module
from leap_avvp.types import EncoderOutput, ParserOutput

B, T, C, D, E = 2, 3, 4, 6, 8
Array = NDArray[np.float64]
MODALITIES = ("audio", "visual")


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max())
    return powers / powers.sum()


class Plain:
    """The decoder by its weights: one vector at a time."""

    def __init__(self, decoder: MMCSEDecoder, heads: int) -> None:
        self.weights = {name: value.detach().numpy() for name, value in decoder.state_dict().items()}
        self.layers, self.heads = len(decoder.layers), heads

    def linear(self, name: str, x: Array, row: int | None = None) -> Array:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return weight @ x + bias if row is None else weight[row] @ x + bias[row]

    def norm(self, name: str, x: Array) -> Array:
        unit = (x - x.mean()) / math.sqrt(x.var() + 1e-5)
        return self.weights[f"{name}.weight"] * unit + self.weights[f"{name}.bias"]

    def decouple(self, modality: str, x: Array) -> tuple[list[Array], list[Array]]:
        """Return the C tokens and the C + 1 features of one segment (D,)."""
        hidden = np.maximum(self.linear(f"{modality}.inner", x), 0)
        each = len(hidden) // (C + 1)
        features = [self.linear(f"{modality}.outer", hidden[g * each : (g + 1) * each], row=g) for g in range(C + 1)]
        tokens = []
        for c in range(C):
            alpha = sigmoid(self.linear(f"{modality}.gate", features[c], row=c))
            mixed = np.concatenate((alpha * features[c], (1 - alpha) * features[C]))
            tokens.append(self.linear(f"{modality}.token", mixed))
        return tokens, features

    def attend(self, name: str, queries: list[Array], memory: list[Array]) -> tuple[list[Array], Array]:
        """Return the C outputs and the map (C, C) of one segment."""
        width = E // self.heads
        pairs = [self.linear(f"{name}.key_value", m) for m in memory]
        outputs, rows = [], np.zeros((C, C))
        for i, query in enumerate(queries):
            asked, mixed = self.linear(f"{name}.query", query), np.zeros(E)
            for h in range(self.heads):
                part = slice(h * width, (h + 1) * width)
                share = softmax(np.array([asked[part] @ pair[:E][part] / math.sqrt(width) for pair in pairs]))
                rows[i] += share / self.heads
                mixed[part] = sum(share[j] * pairs[j][E:][part] for j in range(C))
            outputs.append(self.linear(f"{name}.output", mixed))
        return outputs, rows

    def fuse(self, name: str, x: Array) -> Array:
        """Fuse (T, C, E)."""
        out = np.zeros_like(x)
        for c in range(C):
            mean = sum(x[t, c] for t in range(T)) / T
            for t in range(T):
                compared = self.linear(f"{name}.compare", x[t, c])
                cosine = compared @ mean / (np.linalg.norm(compared) * np.linalg.norm(mean))
                out[t, c] = x[t, c] + sigmoid(cosine) * mean
        return out

    def layer(self, name: str, x: Array, other: Array) -> tuple[Array, Array, Array]:
        """Return (T, C, E), and the maps (T, C, C) of both attentions."""
        intra, cross = np.zeros_like(x), np.zeros_like(x)
        maps = np.zeros((2, T, C, C))
        for t in range(T):
            intra[t], maps[0, t] = self.attend(f"{name}.intra_attention", list(x[t]), list(x[t]))
            cross[t], maps[1, t] = self.attend(f"{name}.cross_attention", list(x[t]), list(other[t]))
        intra, cross = self.fuse(f"{name}.intra_fusion", intra), self.fuse(f"{name}.cross_fusion", cross)
        out = np.zeros_like(x)
        for t, c in np.ndindex(T, C):
            y = self.linear(f"{name}.intra_output", intra[t, c]) + self.linear(f"{name}.cross_output", cross[t, c])
            y = self.norm(f"{name}.fusion_norm", x[t, c] + y)
            inner = np.maximum(self.linear(f"{name}.feed_forward.inner", y), 0)
            out[t, c] = self.norm(f"{name}.output_norm", y + self.linear(f"{name}.feed_forward.outer", inner))
        return out, maps[0], maps[1]

    def video(self, audio: Array, visual: Array) -> dict[str, Array]:
        """Decode the segments (T, D) of one video."""
        out: dict[str, Array] = {}
        tokens: dict[str, Array] = {}
        for name, stream in (("audio", audio), ("visual", visual)):
            pairs = [self.decouple(name, stream[t]) for t in range(T)]
            tokens[name] = np.array([pair[0] for pair in pairs])
            out[f"{name}_class_feature"] = np.array([pair[1] for pair in pairs])
            out[f"{name}_reconstruction"] = np.array(
                [self.linear(f"{name}.restore", np.concatenate(pair[1])) for pair in pairs]
            )
        maps: dict[str, list[Array]] = {name: [] for name in ("aa", "av", "vv", "va")}
        for number in range(self.layers):
            name = f"layers.{number}"
            heard, aa, av = self.layer(name, tokens["audio"], tokens["visual"])
            seen, vv, va = self.layer(name, tokens["visual"], tokens["audio"])
            tokens = {"audio": heard, "visual": seen}
            for key, value in (("aa", aa), ("av", av), ("vv", vv), ("va", va)):
                maps[key].append(value)
        out |= {f"cooccurrence_{key}": np.array(value) for key, value in maps.items()}
        out |= {name: np.zeros(C) for name in ("video_prob", "audio_prob", "visual_prob")}
        out |= {f"segment_{name}_prob": np.zeros((T, C)) for name in MODALITIES}
        for c in range(C):
            score = {
                head: np.array([[self.linear(head, tokens[m][t, c], row=c)[0] for m in MODALITIES] for t in range(T)])
                for head in ("probability", "time_attention", "modality_attention")
            }
            for m, name in enumerate(MODALITIES):
                over_time = softmax(score["time_attention"][:, m])
                for t in range(T):
                    probability = sigmoid(score["probability"][t, m])
                    out[f"segment_{name}_prob"][t, c] = probability
                    out[f"{name}_prob"][c] += over_time[t] * probability
                    over_modality = softmax(score["modality_attention"][t])
                    out["video_prob"][c] += over_modality[m] * over_time[t] * probability
        return out


def small(heads: int = 1, dropout: float = 0.0, **sizes: int) -> MMCSEDecoder:
    torch.manual_seed(3)
    given = {"dim": D, "num_classes": C, "class_dim": E, "hidden_dim": 5, "num_layers": 2, "feed_forward_dim": 7}
    return MMCSEDecoder(**(given | sizes), num_heads=heads, dropout=dropout)


def streams(videos: int = B, segments: int = T, dtype: torch.dtype = torch.float64) -> EncoderOutput:
    generator = torch.Generator().manual_seed(4)
    return EncoderOutput(*torch.randn(2, videos, segments, D, generator=generator, dtype=dtype).unbind())


@pytest.mark.parametrize("heads", [1, 2])
def test_all_outputs_are_those_of_the_plain_reading(heads):
    decoder, encoded = small(heads).double(), streams()
    out: ParserOutput = decoder(encoded)
    evaluated = decoder.eval()(encoded)
    reading = Plain(decoder, heads)
    videos = [reading.video(encoded.audio[b].numpy(), encoded.visual[b].numpy()) for b in range(B)]
    assert set(out.auxiliary) == {name for name in videos[0] if not name.endswith("_prob")}
    for name in videos[0]:
        axis = 1 if name.startswith("cooccurrence") else 0  # the maps' first axis is that of the layers
        expected = np.stack([video[name] for video in videos], axis)
        np.testing.assert_allclose(out[name].detach().numpy(), expected, rtol=0, atol=1e-5, err_msg=name)
        if name.endswith("_prob"):
            torch.testing.assert_close(evaluated[name], out[name], rtol=0, atol=1e-9)
    assert evaluated.auxiliary is None


def test_maps_are_of_their_shape_and_each_class_shares_out_one():
    out = small().float()(streams(videos=5, segments=7, dtype=torch.float32))
    for name in ("aa", "av", "vv", "va"):
        found = out[f"cooccurrence_{name}"]
        assert found.shape == (2, 5, 7, C, C)
        torch.testing.assert_close(found.sum(-1), torch.ones(2, 5, 7, C))
    assert out.audio_attention.shape == (5, 1, C, 7)
    assert not torch.equal(out["cooccurrence_av"], out["cooccurrence_va"])


def test_any_number_of_classes_and_segments_and_one_class():
    for classes, segments in ((1, 1), (1, 6), (9, 2)):
        out = small(num_classes=classes)(streams(segments=segments, dtype=torch.float32))
        assert out.segment_audio_prob.shape == (B, segments, classes)
        assert out["audio_class_feature"].shape == (B, segments, classes + 1, E)


def test_a_class_reads_the_other_classes_of_its_segment_and_of_both_modalities():
    decoder, encoded = small().double().eval(), streams(videos=1)
    heard, seen = (stream.clone().requires_grad_() for stream in (encoded.audio, encoded.visual))
    decoder(EncoderOutput(heard, seen)).segment_audio_prob[0, 1].sum().backward()
    assert (heard.grad[0].abs().sum(-1) > 0).all(), "LGSF reads the whole video"
    assert (seen.grad[0].abs().sum(-1) > 0).all()


@pytest.mark.parametrize(
    ("key", "value"),
    [("class_dim", 0), ("hidden_dim", 0), ("num_layers", 0), ("num_layers", 65), ("num_classes", 0), ("dim", 1.5)],
)
def test_a_wrong_size_is_named(key, value):
    with pytest.raises(ConfigError, match=rf"^decoder\.{key}: expected a whole number"):
        small(**{key: value})


def test_heads_divide_the_width_of_a_class():
    with pytest.raises(ConfigError, match=r"decoder\.num_heads.*nearest: 2"):
        small(heads=3)


def test_an_encoder_that_passes_through_has_no_weights_and_goes_before_any_decoder():
    encoder, encoded = PassThrough(D), streams(dtype=torch.float32)
    assert list(encoder.parameters()) == []
    out = encoder(encoded.audio, encoded.visual)
    assert out.audio is encoded.audio
    assert out.visual is encoded.visual
    assert VideoParser(encoder, MMILDecoder(D, C)).encoder.dim == D
    with pytest.raises(ConfigError, match=r"encoder\.dim: expected a whole number"):
        PassThrough(0)


FEATURES = {"audio": 128, "video_2d": 2048, "video_3d": 512}


def features(videos: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(videos)
    return {name: torch.randn(videos, 10, width, generator=generator) for name, width in FEATURES.items()}


@pytest.mark.filterwarnings("ignore")  # torch's own, of its exporter
def test_it_is_exported_for_any_number_of_videos():
    parser = VideoParser(PassThrough(D), small(num_layers=1)).eval()
    shapes = {name: {0: torch.export.Dim("videos")} for name in FEATURES}
    program = torch.export.export(parser, (), features(2), dynamic_shapes=shapes)
    for videos in (2, 5):
        found, expected = program.module()(**features(videos)), parser(**features(videos))
        assert list(found) == list(expected)
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6, msg=name)


SMALL = [
    *("encoder=pass_through", "decoder=mm_cse", "loss=mm_cse", "encoder.dim=16", "decoder.dim=16"),
    *("decoder.class_dim=8", "decoder.hidden_dim=8", "decoder.num_layers=2", "decoder.feed_forward_dim=8"),
    *("data.num_train=8", "data.num_val=1", "data.num_test=1", "scheduler=none", "output_dir=x"),
]


def test_it_trains_on_simulated_videos_and_gradients_reach_every_weight():
    parts = Parts(plain(compose_config(SMALL)))
    torch.manual_seed(0)
    module = build_module(parts)
    assert isinstance(module.parser.decoder, MMCSEDecoder)
    data = parts.data()
    batch = data.dataset("train")[list(range(8))]
    tensors = {name: value for name, value in batch.items() if isinstance(value, torch.Tensor)}
    optimizer = torch.optim.Adam(module.parser.parameters(), lr=3e-3)
    totals = []
    for _ in range(8):
        terms = module.loss_terms(tensors)
        optimizer.zero_grad()
        terms["total"].backward()
        for name, weight in module.parser.named_parameters():
            assert weight.grad is not None, name
            assert torch.isfinite(weight.grad).all(), name
            # A bias that all scores of a softmax share changes nothing.
            if "attention" not in name:
                assert weight.grad.abs().sum() > 0, name
        optimizer.step()
        totals.append(terms["total"].item())
    assert set(terms) == {"total", *parts.content["loss"]["terms"]}
    assert totals[-1] < 0.9 * totals[0]
    assert len(set(totals)) == len(totals)

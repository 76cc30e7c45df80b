"""LEAP's decoder: which block is read, which scores, and the hard union."""

from __future__ import annotations

import math

import pytest
import torch

from leap_avvp.models import LabelQueries, LEAPDecoder
from leap_avvp.types import EncoderOutput

D = 32


def make(num_blocks: int = 3, **options: object) -> LEAPDecoder:
    torch.manual_seed(0)
    queries = LabelQueries(torch.randn(25, 300))
    decoder = LEAPDecoder(queries, dim=D, num_blocks=num_blocks, num_heads=4, feed_forward_dim=D, **options)
    return decoder.eval()


@pytest.fixture
def encoded() -> EncoderOutput:
    generator = torch.Generator().manual_seed(3)
    return EncoderOutput(*torch.randn(2, 2, 10, D, generator=generator))


def test_first_and_last_of_one_block_are_the_same(encoded):
    first, last = (make(1, read_block=name)(encoded) for name in ("first", "last"))
    for name, value in first.items():
        assert torch.equal(value, last[name])


def test_first_of_three_equals_a_decoder_of_one_block(encoded):
    three, one = make(3, read_block="first"), make(1)
    one.load_state_dict({name: value for name, value in three.state_dict().items() if name in one.state_dict()})
    torch.testing.assert_close(three(encoded).segment_audio_prob, one(encoded).segment_audio_prob)


def test_average_reads_the_mean_of_all_blocks(encoded):
    average = make(3, read_block="average")
    outputs = []
    for count in (1, 2, 3):
        part = make(count)
        part.load_state_dict({name: value for name, value in average.state_dict().items() if name in part.state_dict()})
        outputs.append(part(encoded))
    out = average(encoded)
    feature = torch.stack([o.label_visual_feature for o in outputs]).mean(0)
    torch.testing.assert_close(out.label_visual_feature, feature)
    scores = torch.stack([o.segment_visual_prob.logit() for o in outputs]).mean(0)
    torch.testing.assert_close(out.segment_visual_prob, scores.sigmoid())
    torch.testing.assert_close(out.visual_prob, average.visual.presence(feature).squeeze(-1).sigmoid())


def test_block_query_reads_the_scores_behind_the_attention(encoded):
    out = make(2, readout="block_query")(encoded)
    scores = out.segment_audio_prob.logit().transpose(1, 2)  # (B, C, T), mean over heads
    # Softmax forgets a constant per head and label; the mean over heads of log-weights keeps the differences over time.
    logs = out.audio_attention.log().mean(1)
    torch.testing.assert_close(scores - scores.mean(-1, keepdim=True), logs - logs.mean(-1, keepdim=True))


def test_updated_query_scores_the_unnormalised_query_after_the_residual(encoded):
    decoder = make(1)
    block = decoder.audio.blocks[0]
    labels = decoder.label_projection(decoder.label_queries())
    attended, _ = block.attend(labels.expand(2, -1, -1), encoded.audio)
    heads = block.attention.query(attended).view(2, 25, 4, D // 4).transpose(1, 2)
    keys = block.attention.key_value(encoded.audio)[..., :D].view(2, 10, 4, D // 4).transpose(1, 2)
    expected = (heads @ keys.transpose(-2, -1) / math.sqrt(D // 4)).mean(1).transpose(1, 2).sigmoid()
    torch.testing.assert_close(decoder(encoded).segment_audio_prob, expected)


def test_readouts_differ(encoded):
    one, other = (make(2, readout=name)(encoded).segment_audio_prob for name in ("updated_query", "block_query"))
    assert (one - other).abs().max() > 1e-3


def test_video_probability_is_the_hard_union(encoded):
    out = make(2)(encoded)
    expected = ((out.audio_prob >= 0.5) | (out.visual_prob >= 0.5)).float()
    assert torch.equal(out.video_prob, expected)
    assert 0 < expected.mean() < 1


def test_attention_is_a_distribution_over_segments(encoded):
    out = make(2)(encoded)
    for attention in (out.audio_attention, out.visual_attention):
        assert attention.shape == (2, 4, 25, 10)
        torch.testing.assert_close(attention.sum(-1), torch.ones(2, 4, 25))

"""Wrong arguments of the models' parts end in one line that names the key, what was expected and what was found."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from leap_avvp.errors import ConfigError
from leap_avvp.models import HAN, Frontend, LabelQueries, LEAPDecoder, MMILDecoder, MMPyramid, VideoParser
from leap_avvp.models.attention import MultiHeadAttention
from leap_avvp.models.dropout import Dropout


def leap(**options: object) -> LEAPDecoder:
    return LEAPDecoder(LabelQueries(torch.zeros(25, 4), embedding_dim=4), **options)


@pytest.mark.parametrize(
    ("build", "line"),
    [
        (lambda: MMPyramid(num_heads=7), "encoder.num_heads: expected a divisor of dim 512 .*, found 7; nearest: 8"),
        (lambda: HAN(dim=10, num_heads=4), "encoder.num_heads: expected a divisor of dim 10 .*, found 4; nearest: 5"),
        (lambda: leap(num_heads=7), "decoder.num_heads: expected a divisor of dim 512 .*, found 7"),
        (lambda: leap(num_heads=0), "decoder.num_heads: expected a whole number from 1 to 512, found 0"),
        (lambda: leap(num_heads=1024), "decoder.num_heads: expected a whole number from 1 to 512, found 1024"),
        (lambda: MMPyramid(num_heads=2.0), "encoder.num_heads: expected a whole number from 1 to 512, found 2.0"),
        (lambda: MMPyramid(dropout=1.5), "encoder.dropout: expected a probability from 0 to below 1, found 1.5"),
        (lambda: HAN(dropout=1), "encoder.dropout: expected a probability from 0 to below 1, found 1"),
        (lambda: HAN(dropout=True), "encoder.dropout: expected a probability .*, found True"),
        (lambda: HAN(dropout=10**400), "encoder.dropout: expected a probability .*, found 10+"),
        (lambda: leap(dropout=float("nan")), "decoder.dropout: expected a probability .*, found nan"),
        (lambda: leap(attention_dropout=-0.1), "decoder.attention_dropout: expected a probability .*, found -0.1"),
        (lambda: MMPyramid(attention_dropout="a"), "encoder.attention_dropout: expected a probability .*, found 'a'"),
        (lambda: MMPyramid(dim=0), "encoder.dim: expected a whole number from 1 to 65536, found 0"),
        (lambda: HAN(dim=None), "encoder.dim: expected a whole number .*, found None"),
        (lambda: HAN(dim=10**9), "encoder.dim: expected a whole number .*, found 1000000000"),
        (lambda: MMILDecoder(dim=-1), "decoder.dim: expected a whole number .*, found -1"),
        (lambda: MMILDecoder(num_classes=0), "decoder.num_classes: expected a whole number .*, found 0"),
        (lambda: leap(dim="512"), "decoder.dim: expected a whole number .*, found '512'"),
        (lambda: leap(feed_forward_dim=0), "decoder.feed_forward_dim: expected a whole number .*, found 0"),
        (lambda: MMPyramid(feed_forward_dim=1.5), "encoder.feed_forward_dim: expected a whole number .*, found 1.5"),
        (lambda: HAN(num_layers=2), "encoder.num_layers: expected 1, .*, found 2"),
        (lambda: leap(num_blocks=0), "decoder.num_blocks: expected a whole number from 1 to 64, found 0"),
        (lambda: leap(num_blocks=True), "decoder.num_blocks: expected a whole number from 1 to 64, found True"),
        (lambda: leap(threshold=1.5), "decoder.threshold: expected a number from 0 to 1, found 1.5"),
        (lambda: MMPyramid(dilations=[]), r"encoder.dilations: expected a list of 1 to 64 dilations.*, found \[\]"),
        (lambda: MMPyramid(dilations=4), "encoder.dilations: expected a list .*, found 4"),
        (lambda: MMPyramid(dilations="1,2"), "encoder.dilations: expected a list .*, found '1,2'"),
        (lambda: MMPyramid(dilations=None), "encoder.dilations: expected a list .*, found None"),
        (lambda: MMPyramid(dilations=[1, 0]), r"encoder.dilations\[1\]: expected a whole number .*, found 0"),
        (lambda: MMPyramid(dilations=[1.5]), r"encoder.dilations\[0\]: expected a whole number .*, found 1.5"),
        (lambda: LabelQueries(num_classes=0), "label_embedding.num_classes: expected a whole number .*, found 0"),
        (lambda: LabelQueries(embedding_dim=-3), "label_embedding.embedding_dim: expected a whole number .*, found -3"),
        (lambda: Frontend(dim=0), "frontend.dim: expected a whole number .*, found 0"),
        (lambda: MultiHeadAttention(8, 3, 0.0), "num_heads: expected a divisor of dim 8 .*, found 3; nearest: 2"),
        (lambda: Dropout("x"), "dropout: expected a probability .*, found 'x'"),
        (lambda: VideoParser(nn.ReLU(), MMILDecoder(8)), "encoder: expected a module with its width .*, found ReLU"),
        (lambda: VideoParser(HAN(8), nn.ReLU()), "decoder: expected a module with its width .*, found ReLU"),
    ],
)
def test_a_wrong_argument_is_named_in_one_line(build, line):
    with pytest.raises(ConfigError) as caught:
        build()
    text = str(caught.value)
    assert re.match(line, text), text
    assert "\n" not in text


def test_numbers_of_numpy_and_lists_of_any_kind_are_numbers_and_lists():
    encoder = MMPyramid(np.int64(8), dilations=(1, np.int32(2)), num_heads=np.int64(2), dropout=np.float32(0.25))
    assert len(encoder.levels) == 2
    assert encoder.levels[0].cross.dropout.p == 0.25


def test_the_edges_of_what_is_allowed_build():
    assert leap(dim=4, num_heads=4, feed_forward_dim=1, dropout=0, attention_dropout=0.99, threshold=1).dim == 4
    assert HAN(dim=1, num_heads=1, feed_forward_dim=1, dropout=0).dim == 1
    assert len(MMPyramid(dim=2, num_heads=1, dilations=[1024]).levels) == 1

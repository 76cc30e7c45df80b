"""Parser and loss trace into one graph, as CUDA graphs need it, and give what they give uncompiled."""

from __future__ import annotations

import pytest
import torch

from leap_avvp.losses import ParsingLoss
from leap_avvp.metrics import Protocol
from leap_avvp.models import HAN, LabelQueries, LEAPDecoder, MMILDecoder, MMPyramid, VideoParser
from leap_avvp.training.module import ParsingModule


def small_leap() -> LEAPDecoder:
    return LEAPDecoder(LabelQueries(embedding_dim=8), dim=16, num_heads=2, feed_forward_dim=16)


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        (lambda: MMPyramid(16, num_heads=2, feed_forward_dim=16), small_leap),
        (lambda: HAN(16, feed_forward_dim=16), lambda: MMILDecoder(16)),
        (lambda: HAN(16, 2, feed_forward_dim=16, update="sequential"), lambda: MMILDecoder(16)),
    ],
    ids=["mm_pyramid-leap", "han-mmil", "han_sequential-mmil"],
)
@pytest.mark.filterwarnings("ignore")
def test_one_graph_and_the_same_terms(encoder, decoder):
    torch.manual_seed(0)
    module = ParsingModule(VideoParser(encoder(), decoder()), ParsingLoss(), Protocol()).eval()
    batch = {
        "audio": torch.randn(2, 10, 128),
        "video_2d": torch.randn(2, 10, 2048),
        "video_3d": torch.randn(2, 10, 512),
        "video_label": torch.randint(2, (2, 25)).float(),
        "segment_audio": torch.randint(2, (2, 10, 25)).float(),
        "segment_visual": torch.randint(2, (2, 10, 25)).float(),
    }
    expected = module.loss_terms(batch)
    compiled = torch.compile(module.loss_terms, backend="eager", fullgraph=True)(batch)
    assert compiled.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(compiled[name], value, msg=name)

"""The hot functions under pytest-benchmark: `make bench-functions`, with its own comparison and history options."""

from __future__ import annotations

import pytest
import torch

from leap_avvp.data.datamodule import SplitDataset
from leap_avvp.data.simulate import SimulatedLLP
from leap_avvp.losses import ParsingLoss
from leap_avvp.metrics import per_video_scores
from leap_avvp.metrics.functional import event_counts, segment_counts
from leap_avvp.models import HAN, LabelQueries, LEAPDecoder, MMPyramid
from leap_avvp.models.dropout import Dropout


@pytest.fixture(scope="module")
def grids():
    torch.manual_seed(0)
    return [torch.rand(1200, 10, 25) < share for share in (0.08, 0.07, 0.06, 0.07)]


@pytest.mark.parametrize("count", [segment_counts, event_counts])
def test_counts(benchmark, grids, count):
    counts = benchmark(count, grids[0], grids[2])
    assert counts.tp.shape == (1200, 25)


def test_ten_scores(benchmark, grids):
    scores = benchmark(per_video_scores, *grids)
    assert len(scores) == 10


@pytest.mark.parametrize("encoder", [MMPyramid, HAN])
def test_encoder(benchmark, encoder):
    model = encoder().eval()
    audio, visual = torch.randn(2, 32, 10, 512)
    with torch.inference_mode():
        out = benchmark(model, audio, visual)
    assert out.audio.shape == (32, 10, 512)


def test_leap_decoder(benchmark):
    model = LEAPDecoder(LabelQueries()).eval()
    encoded = HAN().eval()(*torch.randn(2, 32, 10, 512))
    with torch.inference_mode():
        out = benchmark(model, encoded)
    assert out.segment_audio_prob.shape == (32, 10, 25)


def test_dropout(benchmark):
    layer, x = Dropout(0.2).train(), torch.randn(32, 25, 512)
    assert benchmark(layer, x).shape == x.shape


def test_loss(benchmark):
    shape = (32, 10, 25)
    out = {f"{name}_prob": torch.rand(32, 25) for name in ("audio", "visual", "video")}
    out |= {f"segment_{name}_prob": torch.rand(shape) for name in ("audio", "visual")}
    out |= {f"{name}_feature": torch.randn(32, 10, 512) for name in ("audio", "visual")}
    batch = {"video_label": torch.ones(32, 25), "segment_audio": torch.ones(shape), "segment_visual": torch.ones(shape)}
    assert torch.isfinite(benchmark(ParsingLoss(), out, batch)["total"])


def test_batch(benchmark):
    dataset = SplitDataset(SimulatedLLP(num_train=64, num_val=1, num_test=1).load("train"))
    batch = benchmark(dataset.__getitem__, list(range(32)))
    assert batch["video_2d"].shape == (32, 10, 2048)

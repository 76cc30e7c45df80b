"""Probabilities that are no numbers are never scored: a NaN would count as "absent"."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leap_avvp.config.build import Parts
from leap_avvp.config.compose import compose_config, plain
from leap_avvp.data.datamodule import simulated_data
from leap_avvp.training.module import NonFiniteProbabilityError, ParsingModule, build_module
from leap_avvp.types import Batch

SMALL = ("encoder=han", "encoder.dim=16", "encoder.feed_forward_dim=16", "decoder.dim=16")


def module(decoder: str) -> ParsingModule:
    leap = ("decoder.num_heads=2", "decoder.feed_forward_dim=16") if decoder == "leap" else ()
    torch.manual_seed(0)
    config = compose_config([*SMALL, f"decoder={decoder}", *leap, "output_dir=."])
    return build_module(Parts(plain(config))).eval()


@pytest.fixture(scope="module")
def batch() -> Batch:
    return simulated_data(num_train=1, num_val=1, num_test=12).dataset("test")[list(range(12))]


@pytest.mark.parametrize("decoder", ["leap", "mmil"])
@pytest.mark.parametrize("step", ["validation_step", "test_step"])
@given(spoilt=st.sets(st.integers(0, 11)), value=st.sampled_from([float("nan"), float("inf")]))
@settings(deadline=None, max_examples=15, derandomize=True)
def test_exactly_the_videos_that_are_spoilt_are_named(
    decoder: str, step: str, batch: Batch, spoilt: set[int], value: float
) -> None:
    parser = module(decoder)
    audio = batch["audio"].clone()
    audio[sorted(spoilt), 3, 5] = value
    said = None
    try:
        getattr(parser, step)({**batch, "audio": audio}, 0)
    except NonFiniteProbabilityError as error:
        said = str(error)
    assert (said is not None) == bool(spoilt)
    videos = int(parser.val_metrics.videos) + int(parser.test_metrics.videos)
    assert videos == (0 if spoilt else 12), "a batch that is refused is not half counted"
    if said is not None:
        assert f"for {len(spoilt)} of 12 videos" in said
        named = {name for name in batch["video_id"] if name in said}
        assert named == {batch["video_id"][row] for row in sorted(spoilt)[:5]}
        assert len(said.splitlines()) == 1

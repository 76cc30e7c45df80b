"""Protocols: what makes a probability a prediction, and what cannot."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from leap_avvp.config import compose_job
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.metrics import Protocol
from leap_avvp.types import ParserOutput


@pytest.fixture
def out() -> dict[str, Tensor]:
    """One video, two segments, three classes: in the video and heard, in the video and seen, in neither."""
    return {
        "segment_audio_prob": torch.tensor([[[0.9, 0.6, 0.9], [0.5, 0.4, 0.2]]]),
        "segment_visual_prob": torch.tensor([[[0.7, 0.8, 0.3], [0.1, 0.5, 0.9]]]),
        "video_prob": torch.tensor([[0.9, 0.5, 0.4]]),
        "audio_prob": torch.tensor([[0.8, 0.1, 0.4]]),
        "visual_prob": torch.tensor([[0.2, 0.6, 0.4]]),
    }


def applied(protocol: Protocol, out: dict[str, Tensor]) -> list[list[list[int]]]:
    """Return the audio and the visual predictions of the one video as 0 and 1."""
    predictions = protocol.apply(out)
    assert all(value.dtype == torch.bool and value.shape == (1, 2, 3) for value in predictions)
    return [value[0].int().tolist() for value in predictions]


def test_union_asks_the_video_for_both_modalities(out: dict[str, Tensor]) -> None:
    # 0.5 reaches 0.5, in a segment and in the video.
    assert applied(Protocol(), out) == [[[1, 1, 0], [1, 0, 0]], [[1, 1, 0], [0, 1, 0]]]
    assert Protocol() == Protocol(filter="union", segment_threshold=0.5, video_threshold=0.5)


def test_per_modality_asks_each_modality(out: dict[str, Tensor]) -> None:
    assert applied(Protocol(filter="per_modality"), out) == [[[1, 0, 0], [1, 0, 0]], [[0, 1, 0], [0, 1, 0]]]


def test_none_takes_segments_alone(out: dict[str, Tensor]) -> None:
    segments = {name: value for name, value in out.items() if name.startswith("segment")}
    assert applied(Protocol(filter="none"), segments) == [[[1, 1, 1], [1, 0, 0]], [[1, 1, 0], [0, 1, 1]]]


def test_thresholds(out: dict[str, Tensor]) -> None:
    assert applied(Protocol(segment_threshold=0.7), out) == [[[1, 0, 0], [0, 0, 0]], [[1, 1, 0], [0, 0, 0]]]
    assert applied(Protocol(video_threshold=0.4), out) == [[[1, 1, 1], [1, 0, 0]], [[1, 1, 0], [0, 1, 1]]]
    assert applied(Protocol(filter="per_modality", video_threshold=0.7), out) == [
        [[1, 0, 0], [1, 0, 0]],
        [[0, 0, 0], [0, 0, 0]],
    ]


def test_a_modality_may_have_its_own_segment_threshold(out: dict[str, Tensor]) -> None:
    usual = applied(Protocol(), out)
    assert applied(Protocol(segment_threshold_audio=0.7), out) == [[[1, 0, 0], [0, 0, 0]], usual[1]]
    assert applied(Protocol(segment_threshold_visual=0.75), out) == [usual[0], [[0, 1, 0], [0, 0, 0]]]
    # Zero is a threshold, not the absence of one.
    assert applied(Protocol(filter="none", segment_threshold_audio=0.0), out)[0] == [[1, 1, 1], [1, 1, 1]]


def test_it_takes_what_a_parser_says(out: dict[str, Tensor]) -> None:
    features = torch.zeros(1, 2, 4)
    parsed = ParserOutput(**out, audio_feature=features, visual_feature=features)
    for filter in ("union", "per_modality", "none"):
        protocol = Protocol(filter=filter)
        for ours, expected in zip(protocol.apply(parsed), protocol.apply(out), strict=True):
            assert torch.equal(ours, expected)


@pytest.mark.parametrize(
    ("protocol", "name"),
    [
        (Protocol(), "filter=union, segment>=0.5, video>=0.5, event IoU>=0.5"),
        (Protocol(filter="none", segment_threshold=1), "filter=none, segment>=1, event IoU>=0.5"),
        (
            Protocol(filter="per_modality", segment_threshold_audio=0.4, video_threshold=0.6),
            "filter=per_modality, audio segment>=0.4, visual segment>=0.5, video>=0.6, event IoU>=0.5",
        ),
        (Protocol(segment_threshold=0.12345678), "filter=union, segment>=0.12345678, video>=0.5, event IoU>=0.5"),
    ],
)
def test_the_name_tells_all_that_numbers_depend_on(protocol: Protocol, name: str) -> None:
    assert protocol.name == name


def test_it_cannot_be_changed_once_named() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Protocol().video_threshold = 0.1  # type: ignore[misc]


# Errors


def test_an_unknown_filter_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"protocol\.filter: expected one of union, .*'unoin'; did you mean 'union'"):
        Protocol(filter="unoin")


@pytest.mark.parametrize("value", [-0.1, 1.1, 50, float("nan"), True, "0.5"])
@pytest.mark.parametrize(
    "field", ["segment_threshold", "video_threshold", "segment_threshold_audio", "segment_threshold_visual"]
)
def test_a_wrong_threshold_is_named(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"protocol\.{field}: expected a number from 0 to 1, found "):
        Protocol(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["segment_threshold", "video_threshold"])
def test_a_common_threshold_cannot_be_left_out(field: str) -> None:
    with pytest.raises(ConfigError, match=rf"protocol\.{field}: expected a number from 0 to 1, found None"):
        Protocol(**{field: None})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("filter", "missing"), [("union", "video_prob"), ("per_modality", "visual_prob"), ("none", "segment_audio_prob")]
)
def test_a_missing_probability_is_named(out: dict[str, Tensor], filter: str, missing: str) -> None:
    del out[missing]
    with pytest.raises(DataError, match=rf"^{missing}: needed with protocol\.filter={filter}, found only \w+, "):
        Protocol(filter=filter).apply(out)


def test_a_probability_of_another_shape_is_named(out: dict[str, Tensor]) -> None:
    # (1, 1) would broadcast over the classes without a word.
    with pytest.raises(DataError, match=r"video_prob: expected \(videos, classes\) = \(1, 3\), found shape \(1, 1\)"):
        Protocol().apply(out | {"video_prob": out["video_prob"][:, :1]})
    with pytest.raises(DataError, match=r"segment_visual_prob: .*videos, segments, classes.* found shape \(2, 3\)"):
        Protocol().apply(out | {"segment_visual_prob": out["segment_visual_prob"][0]})


# The programs' own evaluation functions: `../shared/parity/README-peers.md`

GOLDEN = Path(__file__).parents[3] / "shared" / "parity" / "reference_s0" / "protocols.npz"
# CMPAE's visual thresholds, one a class, come with the file.
RELEASED = {
    "union": Protocol(),
    "union_strict": Protocol(strict=True),
    "per_modality": Protocol(filter="per_modality"),
    "mixed": Protocol(filter="mixed"),
    "coleaf": Protocol(filter="per_modality", segment_threshold=0.25, video_threshold=0.52),
    "nrep": Protocol(filter="per_modality", segment_threshold=0.25, video_threshold=0.45),
    "cmpae": Protocol(filter="per_modality", segment_threshold=0.25, video_threshold_audio=0.45),
}


@pytest.mark.skipif(not GOLDEN.is_file(), reason=f"the released programs' predictions are not at {GOLDEN}")
@pytest.mark.parametrize("name", RELEASED)
def test_predictions_are_those_of_the_released_programs(name: str) -> None:
    with np.load(GOLDEN) as golden:
        out = {key: torch.from_numpy(golden[key]) for key in golden.files if key.endswith("_prob")}
        protocol = RELEASED[name]
        if name == "cmpae":
            thresholds = tuple(golden["cmpae_visual_thresholds"].tolist())
            protocol = dataclasses.replace(protocol, video_threshold_visual=thresholds)
        for modality, said in zip(("audio", "visual"), protocol.apply(out), strict=True):
            np.testing.assert_array_equal(said.numpy(), golden[f"{name}_{modality}"], err_msg=modality)


@pytest.mark.parametrize("name", ["union", "mixed", "per_modality", "strict", "coleaf", "nrep", "none"])
def test_every_option_of_the_group_is_one_of_them(name: str) -> None:
    protocol = compose_job([f"protocol={name}"]).parts.protocol()
    assert protocol == (RELEASED | {"strict": Protocol(strict=True), "none": Protocol(filter="none")})[name]


def test_a_threshold_for_each_class(out: dict[str, Tensor]) -> None:
    by_class = Protocol(segment_threshold_audio=(0.95, 0.5, 0.1), video_threshold=[0.5, 0.6, 0.3])  # type: ignore[arg-type]
    assert applied(by_class, out) == [[[0, 0, 1], [0, 0, 1]], [[1, 0, 0], [0, 0, 1]]]
    assert by_class.name == (
        "filter=union, audio segment>=(0.1 to 0.95 by class), visual segment>=0.5, video>=(0.3 to 0.6 by class), "
        "event IoU>=0.5"
    )
    with pytest.raises(DataError, match="expected a threshold for each of 3 classes, found 2"):
        Protocol(video_threshold=(0.5, 0.5)).apply(out)
    with pytest.raises(ConfigError, match=r"protocol.video_threshold\[1\]: expected a number from 0 to 1, found 2"):
        Protocol(video_threshold=(0.5, 2.0))
    with pytest.raises(ConfigError, match=r"protocol\.video_threshold: expected a number for each class, found none"):
        Protocol(video_threshold=())


def test_strict_asks_for_more(out: dict[str, Tensor]) -> None:
    assert applied(Protocol(strict=True), out) == [[[1, 0, 0], [0, 0, 0]], [[1, 0, 0], [0, 0, 0]]]
    assert Protocol(strict=True).name == "filter=union, segment>0.5, video>0.5, event IoU>=0.5"
    with pytest.raises(ConfigError, match=r"protocol\.strict: expected true or false, found 1"):
        Protocol(strict=1)  # type: ignore[arg-type]


def test_a_note_stands_with_every_number() -> None:
    assert Protocol(note="thresholds tuned on dense labels").name.endswith("IoU>=0.5, thresholds tuned on dense labels")

"""Thresholds chosen class by class, against a plain search; and protocols in files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from leap_avvp.config.job import compose_job
from leap_avvp.errors import ConfigError, DataError, LeapError
from leap_avvp.metrics import Protocol, TunedProtocol, per_video_scores, read_protocol, tune_protocol
from leap_avvp.metrics.protocol_files import write_protocol
from leap_avvp.metrics.tuning import GRID, TUNED_NOTE
from leap_avvp.training.module import build_module

CLASSES = 4
GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "parity" / "reference_s0" / "protocols.npz"


@pytest.fixture
def validation() -> tuple[dict[str, Tensor], list[Tensor]]:
    """Return probabilities and truth of thirty videos; each class is right above a threshold of its own."""
    generator = torch.Generator().manual_seed(3)
    truth = [torch.rand(30, 6, CLASSES, generator=generator) < 0.4 for _ in range(2)]
    out = {}
    for name, grid in zip(("audio", "visual"), truth, strict=True):
        grid.logical_and_(torch.rand(30, 1, CLASSES, generator=generator) < 0.6)
        out[f"segment_{name}_prob"] = (0.3 * grid + 0.55 * torch.rand(grid.shape, generator=generator)).clamp(0, 1)
        video = grid.any(dim=1) * torch.tensor([0.1, 0.2, 0.3, 0.4])
        out[f"{name}_prob"] = (video + 0.4 * torch.rand(video.shape, generator=generator)).clamp(0, 1)
    out["video_prob"] = torch.maximum(out["audio_prob"], out["visual_prob"])
    return out, truth


def plain_search(out: dict[str, Tensor], truth: list[Tensor], kind: str, objective: str) -> list[float]:
    thresholds = [0.45] * CLASSES
    for place in range(CLASSES):
        found = []
        for value in (thresholds[place], *GRID):
            tried = [*thresholds[:place], value, *thresholds[place + 1 :]]
            protocol = Protocol(filter="per_modality", segment_threshold=0.25, video_threshold=0.45)
            protocol = dataclasses.replace(protocol, **{f"video_threshold_{kind}": tuple(tried)})
            scores = per_video_scores(*protocol.apply(out), *truth)
            mean = sum(scores.values()) / 10 if objective == "average" else scores[objective]
            found.append((round(mean.mean().item(), 12), value))
        thresholds[place] = max(found, key=lambda each: each[0])[1]
    return thresholds


@pytest.mark.parametrize(
    ("kind", "objective"), [("visual", "segment/type_av"), ("audio", "event/audio"), ("visual", "average")]
)
def test_a_plain_search_chooses_the_same(
    validation: tuple[dict[str, Tensor], list[Tensor]], kind: str, objective: str
) -> None:
    out, truth = validation
    found = tune_protocol(out, *truth, kinds=[f"video_{kind}"], objective=objective)
    chosen = plain_search(out, truth, kind, objective)
    assert found.threshold("video", kind) == tuple(chosen)
    assert len(set(chosen)) > 1, "the search has something to choose"
    other = "audio" if kind == "visual" else "visual"
    assert found.threshold("video", other) == 0.45
    assert found.threshold("segment", kind) == 0.25
    assert found.name.endswith(f", {TUNED_NOTE}")


def test_no_choice_makes_validation_worse_and_several_kinds_follow_one_another(
    validation: tuple[dict[str, Tensor], list[Tensor]],
) -> None:
    out, truth = validation
    start = Protocol(filter="mixed", strict=True, note="of us")
    means = []
    for kinds in ([], ["video_visual"], ["video_visual", "segment_audio"]):
        found = tune_protocol(out, *truth, start, kinds=kinds) if kinds else start
        means.append(per_video_scores(*found.apply(out), *truth)["segment/type_av"].mean().item())
    assert means == sorted(means)
    assert means[0] < means[-1]
    assert (found.filter, found.strict, found.note) == ("mixed", True, f"of us; {TUNED_NOTE}")
    assert isinstance(found.segment_threshold_audio, tuple)
    assert found.segment_threshold_visual is None


def test_equal_thresholds_leave_what_is_there(validation: tuple[dict[str, Tensor], list[Tensor]]) -> None:
    out, truth = validation
    nothing = [torch.zeros_like(grid) for grid in truth]
    never = {name: torch.zeros_like(each) for name, each in out.items()}
    assert tune_protocol(never, *nothing).threshold("video", "visual") == 0.45
    by_class = Protocol("per_modality", 0.25, video_threshold_visual=(0.3, 0.4, 0.5, 0.6))
    assert tune_protocol(never, *nothing, by_class).video_threshold_visual == (0.3, 0.4, 0.5, 0.6)


def test_what_is_chosen_comes_from_the_config(validation: tuple[dict[str, Tensor], list[Tensor]]) -> None:
    words = [
        "protocol=tuned",
        "protocol.grid=[0.3,0.6]",
        "protocol.kinds=[video_audio]",
        "protocol.filter=per_modality",
    ]
    tuned = compose_job(words).parts.protocol()
    assert isinstance(tuned, TunedProtocol)
    assert (tuned.grid, tuned.kinds, tuned.objective) == ((0.3, 0.6), ("video_audio",), None)
    assert compose_job(["protocol=tuned"]).parts.protocol() == TunedProtocol()
    out, truth = validation
    found = tuned.tune(out, *truth, objective="event/audio")
    assert type(found) is Protocol
    assert set(found.threshold("video", "audio")) <= {0.3, 0.45, 0.6}  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="chosen on the validation videos of a trained model"):
        tuned.apply(out)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"kinds": ["video_union"]}, r"protocol\.kinds: .*video_union"),
        ({"objective": "segment/typ_av"}, r"protocol\.objective: .*did you mean 'segment/type_av'"),
        ({"grid": [0.5, 1.5]}, "expected a number from 0 to 1, found 1.5"),
        ({"grid": []}, "protocol: expected thresholds to choose and values to try|grid: expected a list"),
    ],
)
def test_what_cannot_be_chosen_is_refused(
    options: dict[str, object], text: str, validation: tuple[dict[str, Tensor], list[Tensor]]
) -> None:
    out, truth = validation
    with pytest.raises(ConfigError, match=text):
        tune_protocol(out, *truth, **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=text):
        TunedProtocol(**options)  # type: ignore[arg-type]


def test_a_training_knows_its_thresholds() -> None:
    with pytest.raises(ConfigError, match="leap-avvp evaluate RUN protocol=tuned"):
        build_module(compose_job(["encoder=han", "decoder=mmil", "protocol=tuned"]).parts)


# Files


PROTOCOLS = [
    Protocol(),
    Protocol(filter="none", segment_threshold=0.3, strict=True),
    Protocol("mixed", 0.25, 0.45, video_threshold_visual=tuple(GRID), note="by hand:\nsee the paper"),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_written_protocol_comes_back(protocol: Protocol, tmp_path: Path) -> None:
    write_protocol(tmp_path / "p.yaml", protocol)
    assert read_protocol(tmp_path / "p.yaml") == protocol
    fields = {key: value for key, value in dataclasses.asdict(protocol).items() if value is not None}
    (tmp_path / "p.json").write_text(json.dumps(fields))
    np.savez(tmp_path / "p.npz", **fields)
    config = compose_job(["protocol=from_file", f"protocol.path={tmp_path / 'p.npz'}"])
    assert read_protocol(tmp_path / "p.json") == config.parts.protocol() == protocol


def test_a_narrow_number_stands_for_what_was_meant(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", video_threshold_visual=np.array([0.45, 0.7], np.float32))
    assert read_protocol(tmp_path / "p.npz").video_threshold_visual == (0.45, 0.7)


@pytest.mark.skipif(not GOLDEN.is_file(), reason=f"the released programs' predictions are not at {GOLDEN}")
def test_cmpaes_thresholds_from_a_file_give_its_predictions(tmp_path: Path) -> None:
    with np.load(GOLDEN) as golden:
        np.savez(
            tmp_path / "cmpae.npz",
            filter="per_modality",
            segment_threshold=0.25,
            video_threshold_audio=0.45,
            video_threshold_visual=golden["cmpae_visual_thresholds"],
        )
        out = {key: torch.from_numpy(golden[key]) for key in golden.files if key.endswith("_prob")}
        said = read_protocol(tmp_path / "cmpae.npz").apply(out)
        for modality, grid in zip(("audio", "visual"), said, strict=True):
            np.testing.assert_array_equal(grid.numpy(), golden[f"cmpae_{modality}"])


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("p.yaml", "filter: unions", "p.yaml: filter: .*did you mean 'union'"),
        ("p.yaml", "video_treshold: 0.5", "p.yaml: .*'video_treshold'; did you mean video_threshold"),
        ("p.yaml", "video_threshold: [0.5, high]", r"p.yaml: video_threshold\[1\]: expected a number"),
        ("p.yaml", "note: 3", "p.yaml: note: expected text, found 3"),
        ("p.yaml", "- union", "expected the fields of a protocol"),
        ("p.yaml", "filter: [", "cannot read it"),
        ("p.yaml", "!!python/object/apply:os.getcwd []", "cannot read it"),
        ("p.json", "{", "cannot read it"),
        ("p.npz", "PK", "expected an .npz"),
        ("q.yaml", None, "no such file"),
    ],
)
def test_a_wrong_file_is_one_line(name: str, content: str | None, text: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(LeapError, match=text) as caught:
        read_protocol(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    for number, array in enumerate([np.zeros((2, 2)), np.array([None])]):
        np.savez(tmp_path / f"{number}.npz", video_threshold=array)
        with pytest.raises(DataError, match="expected a number, or one for each class"):
            read_protocol(tmp_path / f"{number}.npz")
    with pytest.raises(ConfigError, match=r"protocol\.path=FILE"):
        read_protocol(None)

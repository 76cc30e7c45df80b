"""JoMoLD's removal of labels and its noise ratios, against a plain reading of their description."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.losses import RemoveNoisyLabels, SumOfTerms, VideoTerm
from leap_avvp.losses.denoise import noisy_labels
from leap_avvp.losses.noise import noise_ratios, read_noise_ratios, write_noise_ratios
from leap_avvp.types import ParserOutput


def plain_removal(own, other, positive, ratio):
    """Class by class, with lists: the positives of the n largest own losses that have the n smallest other ones."""
    removed = set()
    for c in range(len(ratio)):
        videos = [b for b in range(len(own)) if positive[b][c]]
        n = math.floor(ratio[c] * len(videos))
        worst = sorted(videos, key=lambda b: own[b][c])[len(videos) - n :] if n else []
        surest = sorted(videos, key=lambda b: other[b][c])[:n]
        removed |= {(b, c) for b in worst if b in surest}
    return removed


@given(seed=st.integers(0, 10_000), batch=st.integers(1, 9), density=st.floats(0, 1))
@settings(deadline=None, max_examples=40)
def test_removal_against_plain_python(seed, batch, density):
    generator = torch.Generator().manual_seed(seed)
    own, other = torch.rand(2, batch, 4, generator=generator)
    positive = torch.rand(batch, 4, generator=generator) < density
    ratio = torch.rand(4, generator=generator, dtype=torch.float64)
    found = noisy_labels(own, other, positive, ratio)
    expected = plain_removal(own.tolist(), other.tolist(), positive.tolist(), ratio.tolist())
    assert {(int(b), int(c)) for b, c in found.nonzero()} == expected


def test_removal_by_hand():
    own, other = torch.tensor([[0.1], [0.9], [0.8], [0.2]]), torch.tensor([[0.9], [0.1], [0.5], [0.2]])
    everyone, none = torch.ones(4, 1, dtype=torch.bool), torch.zeros(4, 1, dtype=torch.bool)

    def removed(positive, ratio):
        return noisy_labels(own, other, positive, torch.tensor([ratio], dtype=torch.float64))[:, 0].tolist()

    assert removed(everyone, 0.5) == [False, True, False, False]
    assert removed(everyone, 0.99) == [False, True, True, True]
    assert removed(everyone, 1.0) == [True] * 4
    assert removed(everyone, 0.24) == [False] * 4
    assert removed(none, 1.0) == [False] * 4


class Parser:
    """Says what it was made with of any videos; it has no other way than without cross-modal attention."""

    def __init__(self, audio: torch.Tensor, visual: torch.Tensor) -> None:
        self.probability = {"audio_prob": audio.requires_grad_(), "visual_prob": visual.requires_grad_()}

    def unimodal(self, **features: torch.Tensor) -> ParserOutput:
        assert "audio" in features
        assert not torch.is_grad_enabled()
        nothing = torch.zeros(0)
        rest = ("video_prob", "segment_audio_prob", "segment_visual_prob", "audio_feature", "visual_feature")
        return ParserOutput(**self.probability, **dict.fromkeys(rest, nothing))


@pytest.fixture
def ratios(tmp_path):
    path = tmp_path / "noise_ratios.npz"
    write_noise_ratios(path, {"audio": np.array([0.0, 0.7]), "visual": np.array([0.5, 0.0])})
    return path


def batch_of_four() -> dict[str, torch.Tensor]:
    label = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    batch = {"audio": torch.zeros(4, 3, 1), "video_label": label}
    for name, target in (("audio", label), ("visual", 0.9 * label + 0.05)):
        batch |= {f"video_{name}": target, f"segment_{name}": target[:, None].repeat(1, 3, 1)}
    return batch


AUDIO = [[0.9, 0.2], [0.8, 0.9], [0.2, 0.5], [0.3, 0.3]]
VISUAL = [[0.1, 0.9], [0.9, 0.2], [0.3, 0.5], [0.2, 0.8]]


@pytest.mark.parametrize("removed", [0.0, 0.05])
def test_labels_leave_the_targets_of_one_modality(ratios, removed):
    relabel = RemoveNoisyLabels(str(ratios), warm_up="none", removed=removed)
    loss, batch = SumOfTerms({"video": VideoTerm()}, relabel), batch_of_four()
    loss.prepare([batch])
    before = {name: value.clone() for name, value in batch.items()}
    found = loss.relabel(batch, Parser(torch.tensor(AUDIO), torch.tensor(VISUAL)))
    assert all(torch.equal(batch[name], value) for name, value in before.items()), "the batch itself is left alone"
    # Class 0, visual: two of the largest visual losses are of videos 0 and 3, of the smallest audio ones 0 and 1.
    # Class 1, audio: floor(0.7 * 3) = 2 of the largest audio losses are of videos 0 and 3, as are those of visual.
    gone = torch.zeros(4, 2, dtype=torch.bool)
    gone[0, 0] = True
    assert torch.equal(found["video_visual"], before["video_visual"].masked_fill(gone, removed))
    assert torch.equal(found["segment_visual"], before["segment_visual"].masked_fill(gone[:, None], removed))
    gone = torch.zeros(4, 2, dtype=torch.bool)
    gone[0, 1] = gone[3, 1] = True
    assert torch.equal(found["video_audio"], before["video_audio"].masked_fill(gone, removed))
    assert torch.equal(found["video_label"], before["video_label"])
    assert torch.equal(found["segment_audio"], before["segment_audio"].masked_fill(gone[:, None], removed))


@pytest.mark.parametrize(
    ("warm_up", "shares"),
    [("released", [0, 0, 1, 1]), ("linear", [0, 0.5 / 0.9, 1, 1]), ("none", [1, 1, 1, 1])],
)
def test_the_warm_up(ratios, warm_up, shares):
    relabel = RemoveNoisyLabels(str(ratios), warm_up=warm_up)
    assert [relabel.share(progress) for progress in (0.0, 0.5, 1.0, 1.5)] == [pytest.approx(share) for share in shares]
    loss, batch = SumOfTerms({"video": VideoTerm()}, relabel), batch_of_four()
    loss.prepare([batch])
    loss.progress = 0.0
    parser = Parser(torch.tensor(AUDIO), torch.tensor(VISUAL))
    assert (loss.relabel(batch, parser) is batch) == (shares[0] == 0)
    loss.progress = 1.0
    assert not torch.equal(loss.relabel(batch, parser)["video_audio"], batch["video_audio"])


def test_a_file_is_asked_for():
    with pytest.raises(
        ConfigError,
        match=r"callbacks=noise_ratios.*system=jomold_first.*loss\.relabel=null",
    ):
        SumOfTerms({"video": VideoTerm()}, RemoveNoisyLabels()).prepare([batch_of_four()])


def test_noise_ratios_against_plain_python():
    rng = np.random.default_rng(0)
    p, label = rng.random((30, 4)), rng.random((30, 4)) < 0.4
    label[:, 3] = False
    target = 0.9 * label + 0.05
    found = noise_ratios(p, target, label, 1.3)
    for c in range(4):
        videos = [n for n in range(30) if label[n, c]]
        mean = sum(p[n, c] for n in range(30)) / 30
        low = [n for n in videos if p[n, c] * target[n, c] / mean < 1.3]
        assert found[c] == (pytest.approx(len(low) / len(videos)) if videos else 0)
    assert 0 < found[0] < 1


def test_ratios_travel_by_a_file(tmp_path):
    ratios = {"audio": np.array([0.1, 1.0]), "visual": np.array([0.0, 0.5])}
    write_noise_ratios(tmp_path / "r.npz", ratios)
    found = read_noise_ratios(tmp_path / "r.npz", 2)
    assert all(np.array_equal(found[name], values) for name, values in ratios.items())


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"audio": np.zeros(2)}, "expected the arrays audio and visual"),
        ({"audio": np.zeros(2), "visual": np.zeros(3)}, r"visual: expected numbers of shape \(2,\).*\(3,\)"),
        ({"audio": np.array(["a", "b"]), "visual": np.zeros(2)}, "audio: expected numbers"),
        ({"audio": np.array([0.1, None]), "visual": np.zeros(2)}, "audio: expected numbers"),
        ({"audio": np.zeros(2), "visual": np.array([0, 1.5])}, r"visual: expected ratios from 0 to 1, found 1\.5"),
        ({"audio": np.array([np.nan, 0]), "visual": np.zeros(2)}, "audio: expected ratios from 0 to 1, found nan"),
    ],
)
def test_a_bad_file_is_named(tmp_path, arrays, text):
    np.savez(tmp_path / "r.npz", **arrays)
    with pytest.raises(DataError, match=rf"r\.npz.*{text}"):
        read_noise_ratios(tmp_path / "r.npz", 2)


def test_no_file_and_no_archive_are_named(tmp_path):
    (tmp_path / "text.npz").write_text("ratios")
    for name in ("none.npz", "text.npz"):
        with pytest.raises(DataError, match=name):
            read_noise_ratios(tmp_path / name, 2)

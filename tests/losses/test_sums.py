"""Sums of terms: what a config puts together, what each term needs, and what a new term has to say."""

from __future__ import annotations

import pytest
import torch

from leap_avvp.config.build import Parts
from leap_avvp.config.compose import compose_config, plain
from leap_avvp.errors import ConfigError
from leap_avvp.losses import (
    AlignmentTerm,
    FixedBalance,
    FrequencyBalance,
    MixupTerm,
    ParsingLoss,
    RemoveNoisyLabels,
    SameSecondTerm,
    SegmentTerm,
    Step,
    SumOfTerms,
    Term,
    VideoTerm,
)
from leap_avvp.models import HAN, LabelQueries, LEAPDecoder, MMILDecoder, VideoParser
from leap_avvp.training.module import ParsingModule


def make(batch: int = 2, seed: int = 0) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    out = {name: rand(batch, 5) for name in ("video_prob", "audio_prob", "visual_prob")}
    out |= {name: rand(batch, 4, 5) for name in ("segment_audio_prob", "segment_visual_prob")}
    out |= {name: rand(batch, 4, 8) - 0.5 for name in ("audio_feature", "visual_feature")}
    target = {"video_label": (rand(batch, 5) < 0.5).float()}
    for name in ("segment_audio", "segment_visual"):
        target[name] = rand(batch, 4, 5) * target["video_label"][:, None]
    return out, target


SIX = {
    "video_audio": VideoTerm("audio"),
    "video_visual": VideoTerm("visual"),
    "video_union": VideoTerm("union"),
    "segment_audio": SegmentTerm("audio", weight=0.5),
    "segment_visual": SegmentTerm("visual", weight=0.5),
    "avss": AlignmentTerm(weight=2.0),
}


def test_leaps_six_terms_as_a_sum_are_its_loss():
    out, target = make()
    expected = ParsingLoss(segment_weight=0.5, avss_weight=2.0)(out, target)
    found = SumOfTerms(SIX)(out, target)
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=0)


def test_video_targets_that_are_given_come_first():
    out, target = make()
    given = 0.9 * target["video_label"] + 0.05
    expected = ParsingLoss()(out, target | {"video_visual": given})["video_visual"]
    assert torch.equal(VideoTerm("visual")(Step(out, target | {"video_visual": given})), expected)
    assert not torch.equal(VideoTerm("visual")(Step(out, target)), expected)


def test_logits_are_taken_where_a_decoder_gives_them():
    out, target = make()
    logit = torch.full((2, 4, 5), 200.0)  # its probability is 1, which holds no more than 1e-7 of a mistake
    out["segment_audio_logit"] = logit
    value = SegmentTerm("audio")(Step(out, target))
    assert value.item() == pytest.approx(200 * (1 - target["segment_audio"]).mean().item(), rel=1e-5)
    half = SegmentTerm("audio")(Step(out | {"segment_audio_logit": logit.bfloat16()}, target))
    assert half.dtype == torch.float32


def test_hard_targets_are_labels_above_a_half():
    out, target = make()
    hard = {"segment_audio": (target["segment_audio"] > 0.5).float(), "video_label": target["video_label"]}
    assert torch.equal(SegmentTerm("audio", targets="hard")(Step(out, target)), SegmentTerm("audio")(Step(out, hard)))


def test_fixed_weights_follow_the_weak_label():
    out, target = make()
    p, y = out["segment_audio_prob"].double(), target["segment_audio"].double()
    each = -(y * p.log() + (1 - y) * (1 - p).log())
    weight = torch.where(target["video_label"][:, None] > 0, 7.0, 1.0)
    value = SegmentTerm("audio", balance=FixedBalance())(Step(out, target))
    assert value.item() == pytest.approx((each * weight).mean().item(), rel=1e-5)


def test_frequencies_are_counted_over_the_whole_split():
    balance = FrequencyBalance(scale=0.5)
    labels = torch.zeros(3, 4, 5)
    labels[0, :3, 1], labels[1, 0, 1], labels[2, :, 4] = 0.9, 0.5, 0.51  # 0.5 is not above it
    balance.prepare([{"segment_audio": labels}], "audio")
    assert balance.frequency.dtype == torch.float64
    assert balance.frequency.tolist() == [0, 3 / 12, 0, 0, 4 / 12]
    assert balance.pair() == (pytest.approx(0.5 * (5 - 7 / 12)), pytest.approx(7 / 12))
    assert balance.weights(torch.tensor([[0.0, 1.0]])).tolist() == [[balance.pair()[1], balance.pair()[0]]]


def test_frequencies_that_nobody_counted_are_asked_for():
    out, target = make()
    loss = SumOfTerms({"segment_audio": SegmentTerm("audio", balance=FrequencyBalance())})
    with pytest.raises(ConfigError, match=r"loss\.terms\.segment_audio\.balance: .*prepare"):
        loss(out, target)
    loss.prepare([target])
    assert torch.isfinite(loss(out, target)["total"])


def test_the_same_second_against_plain_python():
    out, _ = make(3)
    total = 0.0
    for audio, visual in zip(out["audio_feature"].double(), out["visual_feature"].double(), strict=True):
        for i in range(4):
            similar = [float(audio[i] @ v / audio[i].norm() / v.norm()) / 0.2 for v in visual]
            exponents = [torch.tensor(s).exp().item() for s in similar]
            right = exponents[i] / sum(exponents)
            total -= torch.tensor(0.9 * right + 0.1 / 3 * (1 - right)).log().item() / 12
    assert SameSecondTerm()(Step(out, {})).item() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize(
    ("missing", "term", "text"),
    [
        ("video_prob", VideoTerm(), "the output video_prob of the parser"),
        ("segment_visual_prob", SegmentTerm("visual"), "the output segment_visual_prob of the parser"),
        ("audio_feature", AlignmentTerm(), "the output audio_feature of the parser"),
        ("video_label", VideoTerm(), "the target video_label in a batch"),
        ("segment_audio", VideoTerm("audio"), "the target video_audio in a batch"),
        ("segment_audio", SegmentTerm("audio"), "the target segment_audio in a batch"),
        ("no_parser", MixupTerm("audio"), "the parser"),
    ],
)
def test_what_a_term_lacks_is_said_in_one_line(missing, term, text):
    out, target = make()
    out.pop(missing, None)
    target.pop(missing, None)
    with pytest.raises(ConfigError, match=rf"^loss\.terms\.mine: expected {text}.*found none") as caught:
        SumOfTerms({"mine": term})(out, target)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("term", "text"),
    [
        (VideoTerm("unionn"), r"loss\.terms\.mine\.modality: .*did you mean 'union'"),
        (VideoTerm(weight=-1), r"loss\.terms\.mine\.weight: expected a finite number of at least 0, found -1"),
        (VideoTerm(weight=True), r"loss\.terms\.mine\.weight"),
        (SegmentTerm("union"), r"loss\.terms\.mine\.modality: expected one of audio, visual"),
        (SegmentTerm("audio", targets="softt"), r"loss\.terms\.mine\.targets: .*'soft'"),
        (SegmentTerm("audio", balance=2), r"loss\.terms\.mine\.balance: .*found int"),
        (SegmentTerm("audio", balance=FixedBalance("7")), r"loss\.terms\.mine\.balance\.present"),
        (SegmentTerm("audio", balance=FrequencyBalance(-1)), r"loss\.terms\.mine\.balance\.scale"),
        (MixupTerm("audio", alpha=0), r"loss\.terms\.mine\.alpha: expected a finite number above 0"),
        (SameSecondTerm(temperature=0.0), r"loss\.terms\.mine\.temperature"),
        (SameSecondTerm(smoothing=1.0), r"loss\.terms\.mine\.smoothing: .*at most 0\.999"),
        (AlignmentTerm(normaliser="unoin"), r"loss\.terms\.mine\.normaliser: .*'union'"),
        ("video", r"loss\.terms\.mine: expected a term of a loss, found str"),
    ],
)
def test_a_wrong_argument_is_named_by_its_whole_path(term, text):
    with pytest.raises(ConfigError, match=text):
        SumOfTerms({"mine": term})


@pytest.mark.parametrize(
    ("terms", "relabel", "text"),
    [
        ({}, None, r"loss\.terms: "),
        ({"total": VideoTerm()}, None, r"loss\.terms\.total: .*name of the sum"),
        ({"video": VideoTerm()}, VideoTerm(), r"loss\.relabel: .*found VideoTerm"),
        ({"video": VideoTerm()}, RemoveNoisyLabels(warm_up="relased"), r"loss\.relabel\.warm_up: .*'released'"),
        ({"video": VideoTerm()}, RemoveNoisyLabels(removed=2), r"loss\.relabel\.removed"),
    ],
)
def test_a_wrong_sum_is_refused(terms, relabel, text):
    with pytest.raises(ConfigError, match=text):
        SumOfTerms(terms, relabel)


class Brightness(Term):
    """A term of somebody's own."""

    def __call__(self, step: Step) -> torch.Tensor:
        return step.out["video_prob"].mean()


def test_a_new_term_is_one_class():
    out, target = make()
    found = SumOfTerms({"video": VideoTerm(), "bright": Brightness(weight=3.0)})(out, target)
    torch.testing.assert_close(found["total"], found["video"] + 3 * found["bright"])


def config(*words: str) -> dict:
    return plain(compose_config([*words, "output_dir=x"]))


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ("valor", "video_union segment_audio segment_visual"),
        ("uwav", "video_union segment_audio segment_visual mixup_audio mixup_visual"),
        ("lsld", "video_union segment_audio segment_visual"),
        ("jomold", "video_audio video_visual video_union same_second"),
        (
            "leap_uwav",
            "video_union segment_audio segment_visual mixup_audio mixup_visual video_audio video_visual avss",
        ),
    ],
)
def test_every_option_builds_its_terms(option, names):
    loss = Parts(config(f"loss={option}")).loss()
    assert list(loss.terms) == names.split()
    weights = {"lsld": {"segment_audio": 3}, "jomold": {"video_audio": 2}}.get(option, {})
    assert {name: term.weight for name, term in loss.terms.items()} == dict.fromkeys(loss.terms, 1) | weights
    assert (loss.relabelling is not None) == (option == "jomold")


def test_terms_are_weighed_and_left_out_by_the_command_line():
    loss = Parts(config("loss=uwav", "loss.terms.mixup_audio.weight=2", "~loss.terms.mixup_visual")).loss()
    assert loss.terms["mixup_audio"].weight == 2
    assert "mixup_visual" not in loss.terms


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("segment_audio.wieght", 2, r"loss\.terms\.segment_audio\.wieght: .*did you mean weight\?"),
        ("segment_audio.weight", "much", r"loss\.terms\.segment_audio\.weight: expected a number, found 'much'"),
        ("segment_audio.balance.scal", 2, r"loss\.terms\.segment_audio\.balance\.scal: .*did you mean scale\?"),
        ("segment_audio.balance._target_", "os.getcwd", r"loss\.terms\.segment_audio\.balance\._target_: .*trusted"),
        ("mixup_audio._target_", "leap_avvp.losses.Mixup", r"loss\.terms\.mixup_audio\._target_: .*no such name"),
        ("video_union._target_", "leap_avvp.losses.SegmentTerm", None),
        ("video_union", {"_target_": "leap_avvp.losses.SegmentTerm"}, r"loss\.terms\.video_union\.modality: .*needs"),
        ("video_union", {"weight": 1}, r"loss\.terms\.video_union: expected a term of a loss, found dict"),
    ],
)
def test_a_wrong_key_of_a_term_is_one_line(path, value, text):
    content = config("loss=uwav")
    node = content["loss"]["terms"]
    *parents, last = path.split(".")
    for name in parents:
        node = node[name]
    node[last] = value
    with pytest.raises(ConfigError, match=text or r"loss\.terms\.video_union\.modality: expected one of") as caught:
        Parts(content).loss()
    assert "\n" not in str(caught.value)


def test_what_is_no_loss_is_refused():
    content = config()
    content["loss"] = {"_target_": "leap_avvp.losses.VideoTerm"}
    with pytest.raises(ConfigError, match="loss: expected a TrainingLoss, found VideoTerm"):
        Parts(content).loss()


def small(decoder: str) -> VideoParser:
    torch.manual_seed(0)
    if decoder == "mmil":
        return VideoParser(HAN(16, feed_forward_dim=16), MMILDecoder(16))
    queries = LabelQueries(embedding_dim=8)
    return VideoParser(HAN(16, feed_forward_dim=16), LEAPDecoder(queries, dim=16, num_heads=2, feed_forward_dim=16))


def videos(number: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    widths = {"audio": 128, "video_2d": 2048, "video_3d": 512}
    batch = {name: torch.randn(number, 10, width, generator=generator) for name, width in widths.items()}
    batch["video_label"] = (torch.rand(number, 25, generator=generator) < 0.5).float()
    for name in ("segment_audio", "segment_visual"):
        batch[name] = torch.rand(number, 10, 25, generator=generator) * batch["video_label"][:, None]
    return batch


@pytest.mark.parametrize(("decoder", "option"), [("mmil", "valor"), ("leap", "valor"), ("leap", "leap_uwav")])
@pytest.mark.filterwarnings("ignore")
def test_any_decoder_is_trained_compiled_or_not(decoder, option):
    parser, batch = small(decoder), videos()
    loss = Parts(config(f"loss={option}")).loss()
    loss.prepare([batch])
    module = ParsingModule(parser, loss).eval()
    torch.manual_seed(0)
    expected = module.loss_terms(batch)
    expected["total"].backward()
    assert all(torch.isfinite(p.grad).all() for p in parser.parameters() if p.grad is not None)
    torch.manual_seed(0)
    found = torch.compile(module.loss_terms, backend="eager", fullgraph=option == "valor")(batch)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


@pytest.mark.parametrize("decoder", ["mmil", "leap"])
def test_mixed_segments_are_drawn_and_decoded_anew(decoder):
    parser, batch = small(decoder).eval(), videos()
    out, term = parser(**batch), MixupTerm("visual")

    def value(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return term(Step(out, batch, parser))

    assert torch.equal(value(1), value(1))
    assert not torch.equal(value(1), value(2))
    plain_segments = SegmentTerm("visual")(Step(out, batch))
    assert not torch.isclose(value(1), plain_segments)
    term.draw = lambda rows: (torch.tensor(1.0), torch.randperm(rows))  # nothing is mixed
    torch.testing.assert_close(value(1), plain_segments)


def test_mixup_of_mmil_is_the_mean_of_two_losses():
    parser, batch = small("mmil").eval(), videos()
    out, term = parser(**batch), MixupTerm("audio", targets="hard")
    torch.manual_seed(5)
    share, permutation = term.draw(20)
    rows, labels = out["audio_feature"].flatten(0, 1), (batch["segment_audio"] > 0.5).float().flatten(0, 1)
    logits = parser.decoder.probability(share * rows + (1 - share) * rows[permutation])
    first, second = (
        torch.nn.functional.binary_cross_entropy_with_logits(logits, target) for target in (labels, labels[permutation])
    )
    torch.manual_seed(5)
    torch.testing.assert_close(term(Step(out, batch, parser)), share * first + (1 - share) * second)


def test_shares_are_of_the_beta_distribution():
    torch.manual_seed(0)
    draws = torch.stack([MixupTerm("audio").draw(3)[0] for _ in range(400)])
    assert ((draws > 0) & (draws < 1)).all()
    assert draws.mean().item() == pytest.approx(0.5, abs=0.05)
    assert draws.var().item() == pytest.approx(0.25 / (2 * 1.7 + 1), abs=0.01)

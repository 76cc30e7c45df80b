"""Front ends: UWAV's joint one by hand, what both share, and what their config says."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from leap_avvp.card.features import FeatureSet, feature_set
from leap_avvp.config.build import Parts
from leap_avvp.config.compose import compose_config, plain
from leap_avvp.config.hashing import LINEAR_FRONTEND, config_hash
from leap_avvp.config.job import EvaluationJob, evaluation_job
from leap_avvp.config.merge import merge
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.models import Frontend, JointFrontend

D, T = 6, 5


def small(video_3d: bool = True, width: int = 8) -> FeatureSet:
    streams = {
        "audio": {"folder": "a", "shape": ["2T", 4], "reduce": "mean"},
        "video_2d": {"folder": "v", "shape": ["8T", width], "reduce": "mean"},
        "video_3d": {"folder": "s", "shape": ["T", 3]},
    }
    return feature_set({"name": "small", "streams": {k: v for k, v in streams.items() if video_3d or k != "video_3d"}})


def values(video_3d: bool = True, width: int = 8) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"audio": (2, 2 * T, 4), "video_2d": (2, 8 * T, width)} | ({"video_3d": (2, T, 3)} if video_3d else {})
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.mark.parametrize("video_3d", [True, False])
def test_joint_is_an_mlp_of_segments_and_one_map_of_both(video_3d):
    frontend, given = JointFrontend(D, small(video_3d), T), values(video_3d)
    audio, visual = frontend(**given)
    hidden = functional.linear(
        given["audio"].unflatten(1, (T, 2)).mean(2), frontend.audio_inner.weight, frontend.audio_inner.bias
    )
    assert hidden.shape == (2, T, 2 * D)
    torch.testing.assert_close(audio, functional.linear(hidden.relu(), frontend.audio.weight, frontend.audio.bias))
    parts = [given["video_2d"].unflatten(1, (T, 8)).mean(2), *([given["video_3d"]] if video_3d else [])]
    torch.testing.assert_close(visual, frontend.fusion(torch.cat(parts, dim=-1)))


def test_visual_features_of_the_encoders_width_may_go_in_as_they_are():
    frontend, given = JointFrontend(D, small(False, D), T, project_visual=False), values(False, D)
    assert torch.equal(frontend(**given)[1], given["video_2d"].unflatten(1, (T, 8)).mean(2))
    assert not [name for name, _ in frontend.named_parameters() if name.startswith("fusion")]


@pytest.mark.parametrize(
    ("features", "text"),
    [
        (small(False), r"frontend\.project_visual: .* encoder\.dim, found 8 and 6"),
        (small(True, D), r"frontend\.project_visual: expected true for features with video_3d"),
    ],
)
def test_what_cannot_go_in_as_it_is_is_refused(features, text):
    with pytest.raises(ConfigError, match=text):
        JointFrontend(D, features, T, project_visual=False)


@pytest.mark.parametrize("kind", [Frontend, JointFrontend])
def test_both_name_the_stream_whose_shape_is_wrong(kind):
    frontend = kind(D, small(), T)
    with pytest.raises(DataError, match=r"video_2d: expected \(B, T, 8\)"):
        frontend(**values() | {"video_2d": torch.zeros(2, T, 9)})
    with pytest.raises(DataError, match=r"video_3d: expected the streams"):
        frontend(**values(False))


SMALL = ("encoder=han_sequential", "decoder=mmil", "encoder.dim=16", "decoder.dim=16", "output_dir=x")


def content(*overrides: str) -> dict:
    return plain(compose_config([*SMALL, *overrides]))


def test_a_config_builds_the_front_end_that_it_names():
    parser = Parts(content("frontend=joint", "features=uwav")).parser()
    assert isinstance(parser.frontend, JointFrontend)
    assert parser.frontend.fusion.weight.shape == (16, 768 + 512)
    assert parser.frontend.num_segments == 10
    assert type(Parts(content()).parser().frontend) is Frontend
    with pytest.raises(ConfigError, match=r"^frontend: leap_avvp\.models\.HAN.*features"):
        Parts(content("frontend._target_=leap_avvp.models.HAN")).parser()
    with pytest.raises(ConfigError, match=r"frontend\.project_visal: .* did you mean project_visual"):
        Parts(content("frontend=joint", "+frontend.project_visal=true")).parser()


def test_older_configs_have_the_linear_one_and_their_hash():
    new = content()
    assert new["frontend"] == LINEAR_FRONTEND
    old = {group: node for group, node in new.items() if group != "frontend"}
    assert config_hash(old) == config_hash(new) != config_hash(content("frontend=joint"))
    assert type(Parts(old).parser().frontend) is Frontend


def test_a_checkpoint_is_scored_with_its_own_front_end():
    joint, plain_one = content("frontend=joint"), content()
    older = {group: node for group, node in plain_one.items() if group != "frontend"}

    def job(*overrides: str) -> EvaluationJob:
        words = ["checkpoint=best.ckpt", "output_dir=x", *overrides]
        return evaluation_job(compose_config(words, "evaluate"), words)

    assert merge(job(), joint).content["frontend"] == joint["frontend"]
    assert merge(job("frontend=joint"), joint).content["frontend"] == joint["frontend"]
    for trained in (older, plain_one):
        assert merge(job("frontend=linear"), trained).content["frontend"] == LINEAR_FRONTEND
        with pytest.raises(ConfigError, match=r"frontend\._target_ is 'leap_avvp\.models\.Frontend' there"):
            merge(job("frontend=joint"), trained)

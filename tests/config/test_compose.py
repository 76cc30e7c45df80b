"""Every option composes and builds; overrides do what they say; mistakes end in one line with the nearest names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from leap_avvp.config.build import Parts, build_part
from leap_avvp.config.compose import check_types, compose_config, plain
from leap_avvp.config.groups import config_groups
from leap_avvp.config.hashing import cell_name, config_hash
from leap_avvp.config.trust import check_targets
from leap_avvp.errors import ConfigError, LeapError
from leap_avvp.llp import CLASSES
from leap_avvp.training.module import ParsingModule, build_module

CONF = Path(__file__).resolve().parents[2] / "conf"
OPTIONS = [
    (group.name, file.stem)
    for group in sorted(CONF.iterdir())
    if group.is_dir()
    for file in sorted(group.glob("*.yaml"))
]
SMALL = [
    "encoder.dim=32",
    "decoder.dim=32",
    "data.num_train=8",
    "data.num_val=4",
    "data.num_test=4",
    "scheduler=step",
    "output_dir=x",
]


def content_of(overrides, config_name="train") -> dict:
    return plain(compose_config(overrides, config_name))


def parts_of(overrides) -> Parts:
    return Parts(content_of(overrides))


def module_of(overrides) -> ParsingModule:
    return build_module(parts_of(overrides))


def test_the_groups_of_the_issue_are_there():
    assert {group for group, _ in OPTIONS} >= {
        *("data", "encoder", "decoder", "label_embedding", "loss", "optimizer"),
        *("scheduler", "trainer", "logger", "callbacks", "experiment"),
    }
    assert set(config_groups()) == {group for group, _ in OPTIONS}


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes_and_has_its_command_in_its_header(group, option):
    config = compose_config([f"{group}={option}", "output_dir=x"])
    assert len(config_hash(plain(config))) == 16
    header = (CONF / group / f"{option}.yaml").read_text().splitlines()[:4]
    assert any(line.startswith("#") for line in header)


@pytest.mark.parametrize("encoder", ["han", "mm_pyramid"])
@pytest.mark.parametrize("decoder", ["mmil", "leap"])
@pytest.mark.parametrize("labels", ["simulated", "learnable"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_every_model_builds_with_every_optimizer(encoder, decoder, labels, optimizer):
    module = module_of(
        [f"encoder={encoder}", f"decoder={decoder}", f"label_embedding={labels}", f"optimizer={optimizer}", *SMALL]
    )
    assert module.parser.encoder.dim == 32
    built = module.configure_optimizers()["optimizer"]
    assert type(built).__name__.lower() == optimizer
    assert sum(p.numel() for g in built.param_groups for p in g["params"]) == sum(
        p.numel() for p in module.parser.parameters()
    )


@pytest.mark.parametrize(
    ("scheduler", "expected"), [("step", "StepLR"), ("cosine", "CosineAnnealingLR"), ("none", None)]
)
def test_every_schedule_builds(scheduler, expected):
    built = module_of([*SMALL, f"scheduler={scheduler}"]).configure_optimizers()
    name = type(built["lr_scheduler"]["scheduler"]).__name__ if isinstance(built, dict) else None
    assert name == expected


@pytest.mark.parametrize("blocks", [1, 2, 3])
@pytest.mark.parametrize("read", ["first", "last", "average"])
def test_every_cell_of_the_block_sweep_builds(blocks, read):
    parser = parts_of([f"decoder.num_blocks={blocks}", f"decoder.read_block={read}", *SMALL]).parser()
    assert len(parser.decoder.audio.blocks) == blocks
    assert parser.decoder.audio.read_block == read


def test_the_default_is_the_papers_network():
    parser = parts_of(["output_dir=x"]).parser()
    assert sum(p.numel() for p in parser.parameters()) == 47_256_068


def test_real_data_bring_the_papers_schedule_and_glove():
    config = compose_config(["data=llp", "data.root=/nowhere", "output_dir=x"])
    assert (config.trainer.max_epochs, config.optimizer.lr, config.scheduler.step_size) == (30, 1e-4, 10)
    assert config.data.batch_size == 32
    assert config.label_embedding._target_.endswith("glove_queries")
    assert compose_config(["data=llp", "label_embedding=learnable"]).label_embedding.kind == "learnable"
    assert compose_config([]).label_embedding._target_.endswith("simulated_queries")


def test_glove_without_a_file_says_where_to_get_one():
    with pytest.raises(LeapError, match=r"llp_label_glove_embeddings\.pt.*glove\.6B\.300d"):
        parts_of(["label_embedding=glove", *SMALL]).parser()


def test_real_data_without_a_folder_say_so():
    with pytest.raises(LeapError, match=r"data\.root=DIR"):
        parts_of(["data=llp", "output_dir=x"]).data()


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("encoder=hann", "encoder=hann: no such option; nearest: han"),
        ("encodr=han", "encodr: no such key; nearest: encoder"),
        ("loss.avs_weight=1", r"loss\.avs_weight: no such key; nearest: loss\.avss_weight"),
        ("num_blocks=3", r"nearest: decoder\.num_blocks"),
        ("data.root=x", r"data\.root: this key belongs to data=llp"),
        ("experiment=table66", "nearest: table6"),
        ("seed", "missing EQUAL"),
    ],
)
def test_a_misspelt_key_is_one_line_with_the_nearest_names(override, text):
    with pytest.raises(ConfigError, match=text) as caught:
        compose_config([override])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("optimizer.lr=abc", r"optimizer\.lr: expected a number, found 'abc'"),
        ("trainer.max_epochs=1.5", r"trainer\.max_epochs: expected a whole number, found 1\.5"),
        ("seed=true", "seed: expected a whole number"),
        ("resume=3", "resume: expected true or false"),
        ("trainer.max_epochs=${oc.env:EPOCHS,1}", r"found '1'; .*\$\{oc\.decode:\$\{oc\.env:NAME\}\}"),
    ],
)
def test_a_value_of_another_kind_is_named(override, text):
    with pytest.raises(ConfigError, match=text):
        check_types(compose_config([override, "output_dir=x"]), [override])


def test_good_values_pass_the_type_check():
    overrides = ["encoder=han", "loss.avss_weight=2", "optimizer.lr=1", "seed=0", "trainer.gradient_clip_val=0.5"]
    check_types(compose_config([*overrides, "output_dir=x"]), overrides)
    told = ["trainer.max_epochs=${oc.decode:${oc.env:EPOCHS,1}}"]
    check_types(compose_config([*told, "output_dir=x"]), told)


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("decoder.read_block=lst", "did you mean 'last'"),
        ("decoder.readout=query", "updated_query"),
        ("decoder.num_blocks=0", "num_blocks"),
        ("loss.normaliser=unoin", "did you mean 'union'"),
        ("protocol.filter=unions", "did you mean 'union'"),
        ("protocol.segment_threshold=1.5", "from 0 to 1"),
        ("+encoder.depth=3", r"^encoder\.depth: expected an argument of"),
        ("+decoder.depth=3", r"^decoder\.depth: expected an argument of leap_avvp\.models\.LEAPDecoder"),
        ("encoder.dim=16", r"encoder\.dim and decoder\.dim"),
    ],
)
def test_a_wrong_value_is_named_with_the_nearest(override, text):
    with pytest.raises(LeapError, match=text):
        module_of([*SMALL, override])


def test_the_hash_sees_what_changes_numbers_and_nothing_else():
    base = config_hash(content_of(["output_dir=a"]))
    for same in (["output_dir=b"], ["logger=none"], ["name=x", "group=y"], ["callbacks.progress=none"]):
        assert config_hash(content_of(["output_dir=a", *same])) == base
    for other in (
        ["init=independent"],
        ["seed=1"],
        ["loss.avss_weight=2"],
        ["data.num_train=9"],
        ["optimizer.lr=1e-5"],
    ):
        assert config_hash(content_of(["output_dir=a", *other])) != base


def test_cell_names_tell_jobs_apart():
    names = [
        cell_name(overrides) for overrides in (["a=1"], ["a=2"], ["a=1", "b=/x"], ["a=1", "b=-x"], ["a=" + "1" * 300])
    ]
    assert len(set(names)) == len(names)
    assert all("/" not in name and len(name) < 200 for name in names)
    assert cell_name(["loss.avss_weight=0.5", "seed=1"]) == "loss.avss_weight=0.5,seed=1"


@pytest.mark.parametrize("target", ["os.system", "builtins.eval", "leap_avvpx.evil", "torch.hub.load", 3])
def test_a_config_cannot_call_what_is_not_trusted(target, tmp_path):
    node = {"_target_": target, "command": f"touch {tmp_path / 'ran'}"}
    with pytest.raises(ConfigError, match="outside the trusted packages"):
        build_part(node, "logger")
    with pytest.raises(ConfigError, match=r"logger\.deep\[0\]"):
        check_targets({"deep": [{"_target_": target}]}, "logger")
    assert not (tmp_path / "ran").exists()


def test_a_package_of_ones_own_can_be_trusted(monkeypatch):
    monkeypatch.setenv("LEAP_AVVP_TRUSTED", "collections")
    built = build_part({"_target_": "collections.OrderedDict", "a": 1}, "x")
    assert dict(built) == {"a": 1}


def test_simulated_label_embeddings_say_so():
    queries = build_part(content_of(["output_dir=x"])["label_embedding"], "label_embedding")
    assert queries.kind == "simulated"
    assert queries().shape == (len(CLASSES), 300)
    assert torch.equal(queries(), build_part(content_of(["output_dir=x"])["label_embedding"], "label_embedding")())


def test_plain_is_plain():
    content = plain(compose_config(["output_dir=x"]))
    assert "hydra" not in content
    assert content["decoder"]["label_queries"] == content["label_embedding"]


@pytest.mark.parametrize("data", ["simulated", "llp"])
@pytest.mark.parametrize("protocol", ["union", "per_modality", "none"])
def test_evaluation_composes_with_every_source_and_protocol(data, protocol):
    overrides = [f"data={data}", f"protocol={protocol}", "checkpoint=x", "output_dir=x"]
    config = compose_config(overrides, "evaluate")
    check_types(config, overrides, "evaluate")
    assert config.protocol.filter == protocol
    assert config.split == "test"

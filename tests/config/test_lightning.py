"""Lightning's own words: taken as they are, or refused with what to write here."""

from __future__ import annotations

from typing import Any

import pytest

from leap_avvp.config.build import Parts
from leap_avvp.config.compose import check_types, compose_config, plain
from leap_avvp.config.hashing import config_hash
from leap_avvp.config.lightning import check_trainer, trainer_arguments
from leap_avvp.config.words import readable
from leap_avvp.errors import ConfigError


def content_of(*words: str) -> dict[str, Any]:
    return plain(compose_config([*words, "output_dir=x"]))


@pytest.mark.parametrize("sign", ["", "+", "++"])
def test_an_argument_of_lightnings_trainer_needs_no_plus(sign: str) -> None:
    assert content_of(f"{sign}trainer.max_steps=7")["trainer"]["max_steps"] == 7
    assert content_of(f"{sign}trainer.profiler=simple", "trainer=cpu")["trainer"]["profiler"] == "simple"


def test_what_the_config_has_and_what_nobody_has_keep_hydras_rules() -> None:
    assert readable(["trainer.max_epochs=1", "trainer.compile=true", "trainer.matmul_precision=high"]) == [
        *("trainer.max_epochs=1", "trainer.compile=true", "trainer.matmul_precision=high")
    ]
    assert readable(["trainer.max_steps=1,2"], multirun=True) == ["++trainer.max_steps=1,2"]
    with pytest.raises(ConfigError, match=r"trainer\.max_step: no such key; nearest: trainer\.max_steps"):
        compose_config(["trainer.max_step=1"])
    with pytest.raises(ConfigError, match=r"trainer\.max_epochs is in the config already; write trainer\.max_epochs=1"):
        compose_config(["+trainer.max_epochs=1"])


@pytest.mark.parametrize("key", ["ckpt_path", "trainer.ckpt_path"])
@pytest.mark.parametrize("sign", ["", "+", "++"])
def test_a_checkpoint_to_go_on_from_is_said_by_the_folder(key: str, sign: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{key}: no option here; .*hydra\.run\.dir .*init_from=PATH.*evaluate"):
        compose_config([f"{sign}{key}=a/last.ckpt"])


@pytest.mark.parametrize(
    ("key", "value", "instead"),
    [
        ("default_root_dir", "x", r"hydra\.run\.dir=DIR"),
        ("logger", False, "logger=csv"),
        ("callbacks", [], r"\+callbacks\.NAME\._target_=CLASS"),
        ("enable_progress_bar", False, r"callbacks\.progress="),
        ("fast_dev_run", True, "trainer=debug is the short run"),
        ("fast_dev_run", 3, "trainer=debug is the short run"),
    ],
)
def test_what_the_run_fills_in_itself_names_the_words_for_it(key: str, value: object, instead: str) -> None:
    with pytest.raises(ConfigError, match=rf"^trainer\.{key}: .*{instead}"):
        check_trainer({key: value})


@pytest.mark.parametrize(
    ("node", "text"),
    [
        ({"limit_val_batches": 0}, "limit_val_batches: expected at least one batch, found 0: validation picks"),
        ({"limit_val_batches": 0.0}, "limit_val_batches: expected at least one batch"),
        ({"limit_train_batches": 0}, "limit_train_batches: expected at least one batch"),
        (
            {"limit_test_batches": 0},
            "limit_test_batches: expected at least one batch, found 0: there would",
        ),
        ({"limit_train_batches": 1.5}, ".*a share of them"),
        ({"limit_train_batches": True}, ".*a number of batches"),
        ({"limit_test_batches": -1}, ".*a number of batches"),
        ({"overfit_batches": "all"}, "overfit_batches: expected a number of batches"),
        ({"accumulate_grad_batches": 0}, "accumulate_grad_batches: expected a whole number of at least 1"),
        ({"max_steps": 0}, "max_steps: expected a whole number of at least 1, or -1"),
        ({"max_steps": "many"}, "max_steps: expected a whole number"),
        ({"max_epochs": 0}, "max_epochs: expected a whole number of at least 1, or -1"),
        ({"max_epochs": -2}, "max_epochs: expected a whole number of at least 1"),
        ({"max_epochs": -1}, r"max_epochs: expected an end, found -1, .* trainer\.max_time=00:12:00:00"),
        ({"max_epochs": -1, "max_time": "3 h"}, "max_time: expected days:hours:minutes:seconds"),
        ({"max_epochs": 2, "check_val_every_n_epoch": 3}, "check_val_every_n_epoch: expected at most"),
    ],
)
def test_what_leaves_nothing_to_train_or_to_pick_from_is_refused(node: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=rf"^trainer\.{text}"):
        check_trainer(node)


@pytest.mark.parametrize(
    "node",
    [
        *({"max_epochs": -1, "max_time": "00:12:00:00"}, {"max_epochs": -1, "max_time": {"hours": 1}}),
        *({"max_epochs": -1, "max_steps": 5}, {"max_epochs": None, "max_steps": 5}, {"fast_dev_run": False}),
        *({"limit_train_batches": 1}, {"limit_val_batches": 0.5}, {"overfit_batches": 0.0}, {"overfit_batches": 2}),
        {"max_epochs": 3, "check_val_every_n_epoch": 3},
    ],
)
def test_what_has_a_meaning_is_taken(node: dict[str, Any]) -> None:
    check_trainer(node)


def test_a_callback_may_be_the_end() -> None:
    check_trainer({"max_epochs": -1}, ends=True)


@pytest.mark.parametrize("value", ["auto", "[0]", "2", "[0,1]", "-1"])
def test_devices_are_a_number_a_list_or_auto(value: str) -> None:
    check_types(compose_config([f"trainer.devices={value}", "output_dir=x"]), [])
    check_types(compose_config(["trainer.deterministic=warn", "output_dir=x"]), [])
    for wrong in ("two", "[a]", "[]", "true", "1.5"):
        with pytest.raises(ConfigError, match=r"^trainer\.devices: expected a number of devices, a list"):
            check_types(compose_config([f"trainer.devices={wrong}", "output_dir=x"]), [])
    with pytest.raises(ConfigError, match=r"^trainer\.deterministic: expected true, false or warn, found 'maybe'"):
        check_types(compose_config(["trainer.deterministic=maybe", "output_dir=x"]), [])


def test_one_batch_is_another_configuration_than_all_of_them() -> None:
    one, every = (config_hash(content_of(f"trainer.limit_train_batches={value}")) for value in ("1", "1.0"))
    assert one != every
    assert every == config_hash(content_of())


def test_overfitting_repeats_the_batches_of_the_first_epoch() -> None:
    words = ("trainer.overfit_batches=2", "data.num_train=12", "data.num_val=4", "data.num_test=4", "data.batch_size=4")
    seen = {}
    for given in (words, words[1:]):
        data = Parts(content_of(*given)).data()
        sampler = data.train_dataloader().sampler
        epochs = []
        for epoch in range(2):
            sampler.set_epoch(epoch)
            epochs.append(list(sampler))
        seen[given] = epochs
    assert seen[words][0] == seen[words][1] == seen[words[1:]][0]
    assert seen[words[1:]][0] != seen[words[1:]][1]


def test_the_names_are_those_of_the_trainer() -> None:
    assert {"max_steps", "max_time", "accumulate_grad_batches", "precision"} <= set(trainer_arguments())
    assert "self" not in trainer_arguments()


def test_a_group_that_was_taken_away_is_named_with_its_options() -> None:
    for words in (["~trainer"], ["optimizer=[]"], ["~loss"]):
        group = words[0].strip("~").partition("=")[0]
        with pytest.raises(ConfigError, match=rf"^{group}: expected one of .*, found none; choose {group}=NAME"):
            check_types(compose_config([*words, "output_dir=x"]), words)
    check_types(compose_config(["~logger", "~scheduler", "output_dir=x"]), ["~logger", "~scheduler"])

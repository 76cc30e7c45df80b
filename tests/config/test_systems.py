"""Whole systems by one word: their parts everywhere, their schedules on LLP alone, and what the command line says."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from leap_avvp.config.build import Parts
from leap_avvp.config.compose import check_types, compose_config, plain
from leap_avvp.config.hashing import config_hash
from leap_avvp.config.job import compose_job
from leap_avvp.errors import ConfigError

CONF = Path(__file__).resolve().parents[2] / "conf"
SYSTEMS = sorted(file.stem for file in (CONF / "system").glob("*.yaml"))
# Epochs, batch, rate, optimizer, schedule, clipping, seed, and the score that picks the epoch, as the programs say.
RELEASED = {
    "han": (40, 16, 3e-4, "Adam", "StepLR", None, 1, "val/segment/type_av"),
    "mm_pyramid": (40, 16, 1e-4, "Adam", "StepLR", None, 1, "val/segment/type_av"),
    "jomold_first": (25, 128, 5e-4, "Adam", "StepLR", None, 6, "val/event/audio"),
    "jomold": (25, 128, 5e-4, "Adam", "StepLR", None, 6, "val/event/audio"),
    "valor": (60, 64, 1e-4, "AdamW", "WarmupCosine", 1.0, 1000, "val/segment/type_av"),
    "valor_plus": (60, 64, 3e-4, "AdamW", "WarmupCosine", 1.0, 64, "val/segment/type_av"),
    "valor_plus_plus": (60, 64, 3e-4, "AdamW", "WarmupCosine", 1.0, 87, "val/segment/type_av"),
    "uwav": (80, 64, 1e-4, "AdamW", "WarmupCosine", 1.0, 20000, "val/segment/type_av"),
    "uwav_clip_clap": (80, 64, 1e-4, "AdamW", "WarmupCosine", 1.0, 20000, "val/segment/type_av"),
    "lsld": (20, 32, 2e-4, "Adam", "StepLR", None, 6, "val/event/audio"),
    "leap": (30, 32, 1e-4, "Adam", "StepLR", None, 0, "val/segment/type_av"),
}
SHORT = (3, 8, 3e-4, "Adam", "WarmupHold", None, 0, "val/segment/type_av")


@functools.cache
def composed(*overrides: str) -> dict:
    return plain(compose_config([*overrides, "output_dir=x"]))


def schedule_of(content: dict) -> tuple:
    optimizer, scheduler, trainer = content["optimizer"], content["scheduler"], content["trainer"]
    names = [str(node["_target_"]).rpartition(".")[2] for node in (optimizer, scheduler)]
    return (
        *(trainer["max_epochs"], content["data"]["batch_size"], optimizer["lr"], *names),
        *(trainer["gradient_clip_val"], content["seed"], content["callbacks"]["monitor"]),
    )


@pytest.mark.parametrize("system", [name for name in SYSTEMS if name in RELEASED])
def test_the_schedule_is_the_programs_on_llp(system: str) -> None:
    assert schedule_of(composed(f"system={system}", "data=llp")) == RELEASED[system]


@pytest.mark.parametrize("system", SYSTEMS)
def test_on_simulated_data_all_share_the_short_one(system: str) -> None:
    content = composed(f"system={system}")
    assert schedule_of(content) == SHORT
    default = composed()
    assert content["optimizer"] == default["optimizer"]
    assert content["scheduler"] == default["scheduler"]
    assert content["system"] == (None if system == "none" else system)


def test_optimizer_and_schedule_hold_nothing_of_those_they_replace() -> None:
    content = composed("system=valor", "data=llp")
    assert content["optimizer"]["betas"] == [0.5, 0.999]
    assert content["optimizer"]["weight_decay"] == 1e-3
    assert set(content["scheduler"]) == {"_target_", "_partial_", "warmup_share", "final_share"}
    assert composed("system=jomold", "data=llp")["scheduler"]["gamma"] == 0.25
    assert composed("system=jomold", "data=llp")["scheduler"]["step_size"] == 6


def test_the_command_line_wins() -> None:
    words = ["optimizer=adam", "scheduler=cosine", "trainer.max_epochs=2", "encoder=han", "data.batch_size=4", "seed=3"]
    content = composed("system=valor", "data=llp", *words)
    assert schedule_of(content) == (2, 4, 1e-4, "Adam", "CosineAnnealingLR", 1.0, 3, "val/segment/type_av")
    assert "betas" not in content["optimizer"]
    assert content["encoder"]["num_heads"] == 1
    own = composed("system=uwav", "data=llp", "schedule=han/llp")
    assert own["data"]["batch_size"] == 16


PARAMETERS = {
    # Those of the golden files, less what is dead in the released programs: the norms after the last layer.
    "valor": 5_096_523 - 4 * 512,
    "valor_plus": 5_052_235 - 4 * 256,
    "valor_plus_plus": 4_888_395 - 4 * 256,
    "uwav": 23_023_691 - 4 * 512,
    "uwav_clip_clap": 22_761_547 - 4 * 512,
    "leap": 47_256_068,
}


@pytest.mark.parametrize("system", PARAMETERS)
def test_the_networks_are_the_programs(system: str) -> None:
    parser = Parts(composed(f"system={system}")).parser()
    assert sum(parameter.numel() for parameter in parser.parameters()) == PARAMETERS[system]


FILTERS = {**dict.fromkeys(("jomold", "jomold_first", "lsld"), "per_modality"), "mm_cse": "mixed"}


@pytest.mark.parametrize("system", SYSTEMS)
def test_losses_and_protocols_fit(system: str) -> None:
    parts = Parts(composed(f"system={system}"))
    assert parts.loss() is not None
    assert parts.protocol().filter == FILTERS.get(system, "union")
    assert parts.protocol().strict == (system in ("uwav", "uwav_clip_clap"))


def test_a_number_of_a_systems_own_must_stay_one() -> None:
    words = ["system=valor_plus", "data=llp", "trainer.gradient_clip_val=big", "output_dir=x"]
    with pytest.raises(ConfigError, match=r"trainer\.gradient_clip_val: expected a number, found 'big'"):
        check_types(compose_config(words), words)


def test_leap_is_the_default_by_another_name() -> None:
    assert config_hash(composed("system=leap")) == config_hash(composed())
    assert config_hash(composed("system=leap_uwav")) != config_hash(composed())


def test_a_misspelt_system_is_named() -> None:
    with pytest.raises(ConfigError, match="system=valr: no such option; nearest: valor"):
        compose_config(["system=valr"])


def test_a_systems_features_are_taken_where_a_card_names_others(tmp_path: Path) -> None:
    (tmp_path / "dataset.yaml").write_text("classes: [a, b]\nfeatures: embedded\n")
    words = ["data=llp", f"data.root={tmp_path}"]

    def features(*more: str) -> str:
        return compose_job([*words, *more], tmp_path / "run").content["features"]["name"]

    assert features() == "embedded"
    assert features("system=valor") == "embedded", "which has none of its own"
    assert features("system=valor_plus_plus") == "valor"


KEY = "loss.relabel.noise_ratios"


def test_a_file_of_another_run_counts_as_that_run_and_not_as_its_place() -> None:
    def name(path: str, *made_by: str) -> str:
        return config_hash(composed("system=jomold", f"{KEY}={path}", *(f'made_by={{{KEY}:"{x}"}}' for x in made_by)))

    assert name("/a/noise_ratios.npz", "1e10") == name("/moved/noise_ratios.npz", "1e10")
    assert name("/a/noise_ratios.npz", "1e10") != name("/a/noise_ratios.npz", "2e10")
    assert name("/a/noise_ratios.npz") != name("/b/noise_ratios.npz"), "by hand nothing says that they are the same"
    with pytest.raises(ConfigError, match="made_by: expected"):
        compose_job(["made_by=3"], "x")

"""Planning: which cells, in which order, with which overrides, hash and folder."""

from __future__ import annotations

import itertools
import shlex
import sys
from pathlib import Path

import pytest

from leap_avvp.config.compose import compose_config, plain
from leap_avvp.config.hashing import config_hash
from leap_avvp.config.words import quote
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.studies.plan import make_plan


def test_cells_are_the_product_of_sweep_and_seeds_seed_by_seed() -> None:
    plan = make_plan("table6", seeds=[0, 7])
    assert [(cell.label, cell.seed) for cell in plan.cells] == [
        (f"loss.avss_weight={weight}", seed) for seed in (0, 7) for weight in ("0.5", "1", "2")
    ]
    assert plan.out == Path.cwd() / "outputs" / "table6-simulated"
    assert [cell.folder.relative_to(plan.out).as_posix() for cell in plan.cells[:2]] == [
        "cells/loss.avss_weight=0.5/seed=0",
        "cells/loss.avss_weight=1/seed=0",
    ]


def test_a_cell_is_the_experiment_with_its_value() -> None:
    cell = make_plan("table6", seeds=[3]).cells[2]
    assert cell.config["loss"]["avss_weight"] == 2
    assert cell.config["seed"] == 3
    assert cell.config["group"] == "table6-simulated"
    assert cell.config["name"] == "table6/loss.avss_weight=2/seed=3"
    assert "MMPyramid" in cell.config["encoder"]["_target_"]


def test_the_hash_is_that_of_the_job_itself() -> None:
    cell = make_plan("table6").cells[0]
    job = compose_config([*cell.overrides, "output_dir=elsewhere"])
    assert cell.config_hash == config_hash(plain(job))


def test_the_hash_tells_cells_and_seeds_apart_but_not_folders() -> None:
    cells = make_plan("table6", seeds=[0, 1]).cells
    assert len({cell.config_hash for cell in cells}) == len(cells)
    elsewhere = make_plan("table6", seeds=[0, 1], out=Path("elsewhere")).cells
    assert [cell.config_hash for cell in elsewhere] == [cell.config_hash for cell in cells]


def test_command_runs_this_interpreter_and_shows_what_to_type() -> None:
    cell = make_plan("table6").cells[0]
    assert cell.command[:4] == [sys.executable, "-m", "leap_avvp", "train"]
    words = shlex.split(cell.shown)
    assert words[:2] == ["leap-avvp", "train"]
    assert words[-1] == 'hydra.run.dir="outputs/table6-simulated/cells/loss.avss_weight=0.5/seed=0"'
    assert "logger=wandb" in words


def test_an_override_of_a_swept_key_replaces_the_sweep() -> None:
    (cell,) = make_plan("table6", overrides=["loss.avss_weight=1"]).cells
    assert cell.config["loss"]["avss_weight"] == 1
    assert cell.folder.parent.name == "loss.avss_weight=1"
    assert cell.label == "loss.avss_weight=1"


def test_a_sweep_of_the_user_replaces_or_adds_an_axis() -> None:
    replaced = make_plan("table6", overrides=["loss.avss_weight=0,4"]).cells
    assert [cell.config["loss"]["avss_weight"] for cell in replaced] == [0, 4]
    added = make_plan("table6", overrides=["encoder=han,mm_pyramid"]).cells
    assert len(added) == 6
    assert added[0].label == "loss.avss_weight=0.5, encoder=han"
    assert len({cell.folder for cell in added}) == 6


def test_fixed_overrides_reach_every_cell_and_its_folder() -> None:
    cells = make_plan("table6", overrides=["trainer.max_epochs=1", "logger=csv", "name=mine"]).cells
    assert all(cell.config["trainer"]["max_epochs"] == 1 for cell in cells)
    assert all("logger=csv" in cell.overrides and "logger=wandb" not in cell.overrides for cell in cells)
    assert all(cell.config["name"] == "mine" for cell in cells)
    plain_folders = {cell.folder for cell in make_plan("table6").cells}
    assert plain_folders.isdisjoint(cell.folder for cell in cells)


def test_real_data_are_named_in_folder_group_and_overrides(tmp_path: Path) -> None:
    root = tmp_path / "LLP, the real = one"
    root.mkdir()
    plan = make_plan("table6", data=root)
    assert plan.data_source == "llp"
    assert plan.out.name == "table6-llp"
    for cell in plan.cells:
        assert cell.config["data"]["root"] == str(root)
        assert cell.config["group"] == "table6-llp"


def test_missing_data_folder_is_told_at_once() -> None:
    with pytest.raises(DataError, match=r"no folder at .*/nowhere"):
        make_plan("table6", data="nowhere")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["seed=3"], "--seeds"),
        (["experiment=none"], "the study's name"),
        (["hydra.run.dir=x"], "--out"),
        (["los.avss_weight=1"], r"los\.avss_weight"),
        (["a b"], "a b"),
    ],
)
def test_wrong_overrides(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_plan("table6", overrides=overrides)


@pytest.mark.parametrize(("seeds", "message"), [([], "at least one"), ([-1], "found -1"), ([1, 1], "found 1,1")])
def test_wrong_seeds(seeds: list[int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_plan("table6", seeds=seeds)


def test_repeated_values_are_one_cell() -> None:
    assert len(make_plan("table6", overrides=["loss.avss_weight=1,1"]).cells) == 1


PAIRS = ["".join(pair) for pair in itertools.product("a'\"\\,= ", repeat=2)]


@pytest.mark.parametrize("text", [*PAIRS, "null", "1", "${x}", "λ", "[x"])
def test_quoted_text_reads_back_unchanged(text: str) -> None:
    assert compose_config([f"name={quote(text)}"]).name == text

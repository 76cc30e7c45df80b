"""Which cells a study has: the product of its sweep and the seeds, each with its overrides, config, hash and folder."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from leap_avvp.config.cards import with_card
from leap_avvp.config.compose import compose_config, plain
from leap_avvp.config.explain import explain
from leap_avvp.config.groups import CONFIG_MODULE
from leap_avvp.config.hashing import cell_name, config_hash
from leap_avvp.config.words import quote, readable
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.studies.collect import CELLS_FOLDER, OUTPUTS
from leap_avvp.studies.spec import After, load_study

__all__ = ["Cell", "Need", "Plan", "evaluated", "make_plan", "short_path"]

# Overrides that the plan itself sets, and the option that sets each.
_RESERVED = {
    "experiment": "the study's name",
    "seed": "--seeds",
    "made_by": "the study's `after`",
    "hydra.run.dir": "--out",
    "hydra.sweep.dir": "--out",
}


@dataclasses.dataclass(frozen=True)
class Need:
    """A file of another cell's run, which a cell reads."""

    config_hash: str
    """Of the other cell."""
    name: str
    """What to call that one."""
    key: str
    """Of the config, which names the file."""
    path: Path
    """Where it lies when the other cell runs in its own folder."""

    def override(self, path: Path) -> str:
        """Return the override that names the file where it is."""
        return f"{self.key}={quote(path)}"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run of a study."""

    label: str
    """The swept values, ``loss.avss_weight=0.5``; without the seed."""
    seed: int
    overrides: tuple[str, ...]
    """What ``leap-avvp train`` gets, the folder left out."""
    folder: Path
    config: Mapping[str, Any]
    """The composed config, plain and nested."""
    config_hash: str
    needs: tuple[Need, ...] = ()
    """What other cells must have made before this one starts."""

    def __str__(self) -> str:
        return f"{self.label}, seed {self.seed}"

    @property
    def command(self) -> list[str]:
        """The command as a process runs it: the same interpreter, so the same installation."""
        return [sys.executable, "-m", "leap_avvp", *self._arguments(self.folder)]

    @property
    def shown(self) -> str:
        """The command as one types it here."""
        return shlex.join(["leap-avvp", *self._arguments(short_path(self.folder))])

    def reading(self, paths: Mapping[str, Path]) -> Cell:
        """Return the cell with its needed files where they are, by their config keys; its hash does not change."""
        moved = {need.override(need.path): need.override(paths[need.key]) for need in self.needs}
        return dataclasses.replace(self, overrides=tuple(moved.get(word, word) for word in self.overrides))

    def _arguments(self, folder: Path) -> list[str]:
        return ["train", *self.overrides, f"hydra.run.dir={quote(folder)}"]


@dataclasses.dataclass(frozen=True)
class Plan:
    """All cells of a study in the order in which they run: every row with the first seed, then with the next."""

    study: str
    data_source: str
    out: Path
    """Absolute."""
    cells: tuple[Cell, ...]
    overrides: tuple[str, ...] = ()
    """The user's own."""


def short_path(path: Path) -> Path:
    """Return a path relative to the working directory where it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def make_plan(
    study: str,
    *,
    data: str | Path | None = None,
    seeds: Sequence[int] = (0,),
    out: Path | None = None,
    base: Path = OUTPUTS,
    overrides: Sequence[str] = (),
) -> Plan:
    """Plan a study.

    Args:
        study: name of ``conf/experiment/<study>.yaml``, whose ``hydra.sweeper.params`` are the sweep. Where its file in
            ``experiments/`` says that a cell reads another one's file, the plan has that one too, before it.
        data: folder of the real LLP; None is simulated data.
        seeds: one run of every cell for each.
        out: folder of the study, ``<base>/<study>-<source>`` by default.
        base: folder of the folders of all studies.
        overrides: the user's own, for every cell. One that names a swept key replaces its sweep; one that is a sweep
            itself (``encoder=han,mm_pyramid``) adds an axis. They are part of the cells' folders.

    Raises:
        ConfigError: a wrong override or seed.
        DataError: no such data folder.
    """
    _check_seeds(seeds)
    own, axes = _split(overrides)
    source = own.get("data", f"data={'simulated' if data is None else 'llp'}").partition("=")[2]
    fixed = {"experiment": f"experiment={study}", "data": f"data={source}"}
    if data is not None:
        root = Path(data).expanduser().absolute()
        if not root.is_dir():
            raise DataError(f"--data: expected the folder of LLP, found no folder at {root}")
        fixed["data.root"] = f"data.root={quote(root)}"
    fixed |= {"logger": "logger=wandb", "group": f"group={quote(f'{study}-{source}')}"} | own
    out = (out or base / f"{study}-{source}").expanduser().absolute()
    with _hydra():
        sweep = _sweep(list(fixed.values()))
        pinned = [own[key] for key in sweep if key in own]
        axes = {key: values for key, values in sweep.items() if key not in own} | axes
        cells = _Cells(study, out, fixed, list(own), pinned)
        for seed, point in itertools.product(seeds, itertools.product(*axes.values())):
            cells.add(seed, point)
    return Plan(study, source, out, tuple(cells.made.values()), tuple(overrides))


class _Cells:
    """The cells of a plan as they are made, by their folders.

    Args:
        study: its name.
        out: folder of the study.
        fixed: overrides of every cell by key, the user's among them.
        own: keys of the user's overrides.
        pinned: overrides of swept keys that the user has given one value.
    """

    def __init__(
        self, study: str, out: Path, fixed: Mapping[str, str], own: Sequence[str], pinned: Sequence[str]
    ) -> None:
        self.study, self.out, self.fixed, self.own, self.pinned = study, out, fixed, own, pinned
        self.rules = load_study(study).after
        self.made: dict[Path, Cell] = {}

    def add(self, seed: int, point: Sequence[str], instead: Mapping[str, str] | None = None) -> Cell:
        """Make the cell of a point of the sweep, and before it those whose files it reads.

        Args:
            seed: of training.
            point: an override for each swept key.
            instead: overrides by those that stand in their place.
        """
        swapped = instead or {}
        fixed = {key: swapped.get(word, word) for key, word in self.fixed.items()}
        pinned, point = ([swapped.get(word, word) for word in words] for words in (self.pinned, point))
        mine = [*(fixed[key] for key in self.own), *point]
        folder = self.out / CELLS_FOLDER / cell_name(mine) / f"seed={seed}"
        if folder in self.made:
            return self.made[folder]
        needs = [self._need(rule, seed, point, swapped) for rule in self.rules if rule.value in mine]
        label = ", ".join([*pinned, *point]) or "all"
        if "name" not in self.own:
            fixed["name"] = f"name={quote(f'{self.study}/{label}/seed={seed}')}"
        words = [*fixed.values(), *point, *(need.override(need.path) for need in needs), f"seed={seed}"]
        if needs:
            made_by = ",".join(f'{need.key}:"{need.config_hash}"' for need in needs)
            words.append(f"made_by={{{made_by}}}")
        self.made[folder] = dataclasses.replace(_cell(label, seed, words, folder), needs=tuple(needs))
        return self.made[folder]

    def _need(self, rule: After, seed: int, point: Sequence[str], swapped: Mapping[str, str]) -> Need:
        other = self.add(seed, point, {**swapped, rule.value: rule.needs})
        return Need(other.config_hash, str(other), rule.key, other.folder / rule.file)


def evaluated(cell: Cell, override: str) -> Cell:
    """Return a trained cell as it is evaluated under one override more, which is its label; hash and folder stay."""
    overrides = [*cell.overrides, override]
    config = with_card(plain(compose_config([*overrides, "output_dir=null"])), overrides)
    return dataclasses.replace(cell, label=override, config=config)


def _cell(label: str, seed: int, overrides: Sequence[str], folder: Path) -> Cell:
    # The folder is known to Hydra only inside a job, and it is no part of the hash.
    config = with_card(plain(compose_config([*overrides, "output_dir=null"])), overrides)
    return Cell(label, seed, tuple(overrides), folder, config, config_hash(config))


def _hydra() -> contextlib.AbstractContextManager[Any]:
    """Start Hydra once for many compositions."""
    return initialize_config_module(CONFIG_MODULE, version_base="1.3")


def _parse(overrides: Iterable[str]) -> list[Override]:
    try:
        return OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise explain(error) from error


def _values(override: Override) -> list[str]:
    """Return ``key=value`` for each value of a sweep."""
    key = override.input_line.partition("=")[0] if override.input_line else override.get_key_element()
    if override.is_sweep_override():
        return [f"{key}={value}" for value in override.sweep_string_iterator()]
    return [f"{key}={override.get_value_element_as_str()}"]


def _split(overrides: Sequence[str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Split the user's overrides into fixed ones and sweeps, by key."""
    own: dict[str, str] = {}
    axes: dict[str, list[str]] = {}
    for override in _parse(readable(overrides, multirun=True)):
        key = override.key_or_group
        if key in _RESERVED:
            raise ConfigError(f"{override.input_line}: {key} is set by {_RESERVED[key]}")
        if override.is_sweep_override():
            axes[key] = _values(override)
        else:
            own[key] = str(override.input_line)
    return own, axes


def _sweep(fixed: Sequence[str]) -> dict[str, list[str]]:
    """Return the values of each key that the experiment sweeps."""
    params = compose_config([*fixed, "seed=0"], hydra=True).hydra.sweeper.get("params") or {}
    sweeps = _parse(f"{key}={value}" for key, value in params.items())
    return {sweep.key_or_group: _values(sweep) for sweep in sweeps}


def _check_seeds(seeds: Sequence[int]) -> None:
    if not seeds:
        raise ConfigError("--seeds: expected at least one whole number, found none")
    for seed in seeds:
        if not 0 <= seed < 2**32:
            raise ConfigError(f"--seeds: expected whole numbers from 0 to {2**32 - 1}, found {seed}")
    if len(set(seeds)) != len(seeds):
        raise ConfigError(f"--seeds: expected each seed once, found {','.join(map(str, seeds))}")

"""The package's own config files: their groups, options and keys, and how they are composed."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources.abc import Traversable
from typing import Any, cast

from hydra import compose, initialize_config_module
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from omegaconf import DictConfig, ListConfig, OmegaConf

from leap_avvp.config.hashing import cell_name
from leap_avvp.files.machine import cpu_threads

__all__ = [
    "CONFIG_MODULE",
    "config_groups",
    "hydra_compose",
    "hydra_names",
    "is_nested_option",
    "keys_of",
    "launchers",
    "leaves",
    "option_files",
    "register_resolvers",
    "valid_names",
]

CONFIG_MODULE = "leap_avvp.conf"
_AT_THE_TOP = ("experiment", "system")
"""Groups that have no node of their own: their keys land at the top."""


def register_resolvers() -> None:
    """Make ``${leap_cell:...}`` and ``${leap_threads:...}`` known to OmegaConf; harmless when called again."""
    OmegaConf.register_new_resolver("leap_cell", _cell_name, replace=True)
    OmegaConf.register_new_resolver("leap_threads", lambda jobs: str(max(1, cpu_threads() // int(jobs))), replace=True)


def _cell_name(words: ListConfig) -> str:
    return cell_name(cast("list[str]", OmegaConf.to_container(words)))  # as typed, `${...}` not followed


def hydra_compose(overrides: Sequence[str], config_name: str, hydra: bool = False) -> DictConfig:
    """Compose a config by Hydra, starting it where it is not running; what Hydra raises is left as it is."""
    register_resolvers()
    if GlobalHydra.instance().is_initialized():
        return compose(config_name, overrides=list(overrides), return_hydra_config=hydra)
    with initialize_config_module(CONFIG_MODULE, version_base="1.3"):
        return compose(config_name, overrides=list(overrides), return_hydra_config=hydra)


def config_groups(config_name: str = "train") -> dict[str, list[str]]:
    """Return the names of the config groups that ``config_name`` composes, and the options of each."""
    GlobalHydra.instance().clear()
    content = OmegaConf.to_container(hydra_compose((), config_name))
    assert isinstance(content, dict)
    used = {str(key) for key, value in content.items() if isinstance(value, dict)}
    if config_name == "train":
        used.update(_AT_THE_TOP)
    with initialize_config_module(CONFIG_MODULE, version_base="1.3"):
        loader: ConfigLoader = GlobalHydra.instance().config_loader()
        return {name: loader.get_group_options(name, ObjectType.CONFIG) for name in sorted(used)}


def option_files() -> dict[str, list[str]]:
    """Return the names of all config groups and their options, by the package's own files."""
    root = importlib.resources.files(CONFIG_MODULE)
    folders = [each for each in root.iterdir() if each.is_dir() and each.name not in ("hydra", "__pycache__")]
    return {
        folder.name: sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))
        for folder in folders
    }


def is_nested_option(group: str, name: str) -> bool:
    """Say whether a group has an option in a folder of its own: ``valor/llp`` of ``schedule``."""
    return (importlib.resources.files(CONFIG_MODULE) / group / f"{name}.yaml").is_file()


def keys_of(group: str) -> set[str]:
    """Return the dotted keys that any option of a group has, by the package's own files."""
    root = importlib.resources.files(CONFIG_MODULE)
    files = [root / group / f"{option}.yaml" for option in option_files()[group]]
    return {path for file in files for path, _ in leaves(_read_yaml(file))}


def launchers() -> list[str]:
    """Return the names of our own ways to run a sweep's jobs side by side, ``hydra/launcher=NAME``."""
    folder = importlib.resources.files(CONFIG_MODULE) / "hydra" / "launcher"
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def leaves(node: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and value of every key of a nested config, groups included."""
    for key, value in node.items():
        path = f"{prefix}{key}"
        yield path, value
        if isinstance(value, Mapping):
            yield from leaves(value, f"{path}.")


def hydra_names(config_name: str = "train") -> list[str]:
    """Return the keys below ``hydra`` that a plain command has."""
    GlobalHydra.instance().clear()
    content = OmegaConf.to_container(hydra_compose((), config_name, hydra=True).hydra)
    assert isinstance(content, dict)
    return [f"hydra.{path}" for path, _ in leaves(content)]


def valid_names(config_name: str) -> dict[str, set[str]]:
    """Return all groups and keys, each with the options (``data=llp``) that have it, read from the files themselves."""
    root = importlib.resources.files(CONFIG_MODULE)
    names: dict[str, set[str]] = {}
    for path, _ in leaves(_read_yaml(root / f"{config_name}.yaml")):
        names[path] = set()
    for group, options in config_groups(config_name).items():
        names[group] = set()
        for option in options:
            for path, _ in leaves(_read_yaml(root / group / f"{option}.yaml")):
                if "_target_" not in path and group not in _AT_THE_TOP:
                    names.setdefault(f"{group}.{path}", set()).add(f"{group}={option}")
    return names


def _read_yaml(file: Traversable) -> dict[str, Any]:
    content = OmegaConf.to_container(OmegaConf.create(file.read_text(encoding="utf-8")))
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items() if key not in ("defaults", "hydra")}

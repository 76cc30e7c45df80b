"""Hydra configuration: composing, checking, hashing, and errors told in one line with the nearest valid names."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources.abc import Traversable
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from leap_avvp.errors import ConfigError, nearest
from leap_avvp.files.machine import cpu_threads

__all__ = [
    "CONFIG_MODULE",
    "cell_name",
    "check_types",
    "compose_job",
    "config_groups",
    "config_hash",
    "explain",
    "launchers",
    "plain",
    "register_resolvers",
]

CONFIG_MODULE = "leap_avvp.conf"
# What changes no number: where results go, who is told, what is printed.
_UNHASHED = ("logger", "callbacks", "group", "name", "output_dir", "resume", "evaluate_untrained", "hydra")
_PLUGINS = {
    "joblib": "hydra-joblib-launcher",
    "submitit_slurm": "hydra-submitit-launcher",
    "submitit_local": "hydra-submitit-launcher",
}
_UNHASHED_DATA = ("placement",)
_HASHED_CALLBACKS = ("monitor", "mode")
_NAME_LIMIT = 160


def cell_name(overrides: Sequence[str]) -> str:
    """Return a folder name for a job that names every override, so that no two jobs of a sweep share a folder."""
    text = ",".join(str(override) for override in overrides) or "default"
    safe = re.sub(r"[^A-Za-z0-9_.,=+-]+", "-", text)
    if safe == text and len(safe) <= _NAME_LIMIT:
        return safe
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]  # what was cut or replaced still tells jobs apart
    return f"{safe[:_NAME_LIMIT]}-{digest}"


def register_resolvers() -> None:
    """Make ``${leap_cell:...}`` and ``${leap_threads:...}`` known to OmegaConf; harmless when called again."""
    OmegaConf.register_new_resolver("leap_cell", cell_name, replace=True)
    OmegaConf.register_new_resolver("leap_threads", lambda jobs: str(max(1, cpu_threads() // int(jobs))), replace=True)


def compose_job(overrides: Sequence[str] = (), config_name: str = "train", hydra: bool = False) -> DictConfig:
    """Compose one job's config as the command line would.

    Args:
        overrides: as on the command line, without sweeps.
        config_name: ``train`` or ``evaluate``.
        hydra: keep the ``hydra`` node.

    Raises:
        ConfigError: one line with the nearest valid names.
    """
    register_resolvers()
    running = GlobalHydra.instance().is_initialized()
    try:
        if running:
            return compose(config_name, overrides=list(overrides), return_hydra_config=hydra)
        with initialize_config_module(CONFIG_MODULE, version_base="1.3"):
            return compose(config_name, overrides=list(overrides), return_hydra_config=hydra)
    except (HydraException, OmegaConfBaseException) as error:
        raise explain(error, config_name) from error


def plain(config: DictConfig) -> dict[str, Any]:
    """Return the resolved config as plain dicts, lists and scalars."""
    try:
        content = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise explain(error) from error
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items() if key != "hydra"}


def config_hash(config: DictConfig | Mapping[str, Any]) -> str:
    """Return 16 hex digits that tell configs apart by all that can change a number."""
    content = plain(config) if isinstance(config, DictConfig) else dict(config)
    kept = {key: value for key, value in content.items() if key not in _UNHASHED}
    if isinstance(kept.get("data"), Mapping):
        kept["data"] = {key: value for key, value in kept["data"].items() if key not in _UNHASHED_DATA}
    if isinstance(content.get("callbacks"), Mapping):  # which epoch is tested
        kept["callbacks"] = {key: content["callbacks"].get(key) for key in _HASHED_CALLBACKS}
    text = json.dumps(_same_numbers(kept), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _same_numbers(node: Any) -> Any:
    """Write 1.0 as 1: a sweep over ``1`` and a file with ``1.0`` are the same configuration."""
    if isinstance(node, Mapping):
        return {key: _same_numbers(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_same_numbers(value) for value in node]
    return int(node) if isinstance(node, float) and node.is_integer() else node


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield path, value
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def config_groups(config_name: str = "train") -> dict[str, list[str]]:
    """Return the names of the config groups that ``config_name`` composes, and the options of each."""
    GlobalHydra.instance().clear()
    content = OmegaConf.to_container(compose_job(config_name=config_name))
    assert isinstance(content, dict)
    used = {str(key) for key, value in content.items() if isinstance(value, dict)}
    if config_name == "train":
        used.add("experiment")  # it has no node of its own: its keys land at the top
    with initialize_config_module(CONFIG_MODULE, version_base="1.3"):
        loader: ConfigLoader = GlobalHydra.instance().config_loader()
        return {name: loader.get_group_options(name, ObjectType.CONFIG) for name in sorted(used)}


def check_types(config: DictConfig, overrides: Sequence[str], config_name: str = "train") -> None:
    """Check that overridden numbers and switches are still numbers and switches.

    Raises:
        ConfigError: naming the key, what was expected and what was found.
    """
    choices = [text for text in overrides if re.fullmatch(r"[a-z_]+(/[a-z_]+)*=\w+", text)]
    groups = [text for text in choices if isinstance(config.get(text.partition("=")[0]), DictConfig)]
    given = ["output_dir=.", *(["checkpoint=."] if config_name == "evaluate" else [])]  # what has no default
    default = dict(_leaves(plain(compose_job([*groups, *given], config_name))))
    for key, value in _leaves(plain(config)):
        expected = default.get(key)
        if value is None or not isinstance(expected, bool | int | float):
            continue
        if not _same_kind(expected, value):
            kind = {bool: "true or false", int: "a whole number", float: "a number"}[type(expected)]
            raise ConfigError(f"{key}: expected {kind}, found {value!r}")


def _same_kind(expected: bool | int | float, value: Any) -> bool:
    if isinstance(expected, bool) or isinstance(value, bool):
        return isinstance(expected, bool) and isinstance(value, bool)
    return isinstance(value, int) or (isinstance(value, float) and isinstance(expected, float))


def explain(error: BaseException, config_name: str = "train") -> ConfigError:
    """Turn an error of Hydra or OmegaConf into one line with the nearest valid names."""
    if isinstance(error, ConfigError):
        return error
    text = str(error)
    if isinstance(error, MissingConfigException) and error.options is not None and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        line = _unknown(f"{group}={option}" if group else option, option, error.options, "option")
        if group == "hydra/launcher" and option in _PLUGINS:
            line = f"hydra/launcher needs {_PLUGINS[option]}: pip install 'leap-avvp[launchers]'"
        return ConfigError(line)
    found = re.search(r"Could not (?:override|append to config|delete from config)\D*?'([^'=]+)", text)
    if found is None:
        found = re.search(r"Key '([^']+)' is not in struct", text)
    if found:
        names = _valid_names(config_name)
        if names.get(found[1]):
            return ConfigError(
                f"{found[1]}: this key belongs to {' and '.join(sorted(names[found[1]]))}, not chosen here"
            )
        return ConfigError(_unknown(found[1], found[1], list(names), "key"))
    missing = re.search(r"Missing mandatory value: (\S+)", text)
    if missing:
        return ConfigError(f"{missing[1]}: needed and not given; add {missing[1]}=VALUE")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return ConfigError(" ".join(lines[:2]) if lines else type(error).__name__)


def launchers() -> list[str]:
    """Return the names of our own ways to run a sweep's jobs side by side, ``hydra/launcher=NAME``."""
    folder = importlib.resources.files(CONFIG_MODULE) / "hydra" / "launcher"
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def _unknown(shown: str, name: str, valid: Sequence[str], kind: str) -> str:
    near = nearest(name, valid)
    if not near and "." in name:  # the last part may be right and its parent wrong, or left out
        tail = name.rpartition(".")[2]
        near = [path for path in valid if path.rpartition(".")[2] == tail][:3]
    if near:
        return f"{shown}: no such {kind}; nearest: {', '.join(near)}"
    some = ", ".join(path for path in sorted(valid) if "." not in path)
    return f"{shown}: no such {kind}; valid: {some}"


def _valid_names(config_name: str) -> dict[str, set[str]]:
    """Return all groups and keys, each with the options (``data=llp``) that have it, read from the files themselves."""
    root = importlib.resources.files(CONFIG_MODULE)
    names: dict[str, set[str]] = {}
    for path, _ in _leaves(_read_yaml(root / f"{config_name}.yaml")):
        names[path] = set()
    for group, options in config_groups(config_name).items():
        names[group] = set()
        for option in options:
            for path, _ in _leaves(_read_yaml(root / group / f"{option}.yaml")):
                if "_target_" not in path and group != "experiment":
                    names.setdefault(f"{group}.{path}", set()).add(f"{group}={option}")
    return names


def _read_yaml(file: Traversable) -> dict[str, Any]:
    content = OmegaConf.to_container(OmegaConf.create(file.read_text(encoding="utf-8")))
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items() if key not in ("defaults", "hydra")}

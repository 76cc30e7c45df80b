"""A config as the command line composes it, its numbers and switches checked, and its plain content."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from leap_avvp.config.explain import explain
from leap_avvp.config.groups import hydra_compose, leaves, option_files
from leap_avvp.config.paths import places_in_full
from leap_avvp.config.words import readable
from leap_avvp.errors import ConfigError

__all__ = ["check_types", "compose_config", "plain"]

_MAY_LACK = ("scheduler", "logger")
_FROM_ENVIRONMENT = "; a variable of the environment is text, and ${oc.decode:${oc.env:NAME}} is the number in it"
_KINDS = {bool: "true or false", int: "a whole number", float: "a number"}
# Keys that take values of several kinds.
_ALSO = {
    "trainer.devices": "a number of devices, a list of them as [0], or auto",
    "trainer.deterministic": "true, false or warn",
}


def compose_config(overrides: Sequence[str] = (), config_name: str = "train", hydra: bool = False) -> DictConfig:
    """Compose one job's config as the command line would.

    Args:
        overrides: as on the command line, without sweeps.
        config_name: ``train`` or ``evaluate``.
        hydra: keep the ``hydra`` node.

    Raises:
        ConfigError: one line with the nearest valid names.
    """
    try:
        return hydra_compose(readable(overrides), config_name, hydra)
    except (HydraException, OmegaConfBaseException) as error:
        raise explain(error, config_name) from error


def plain(config: DictConfig) -> dict[str, Any]:
    """Return the resolved config as plain dicts, lists and scalars; ``~`` in places is the home folder."""
    try:
        content = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise explain(error) from error
    assert isinstance(content, dict)
    return places_in_full({str(key): value for key, value in content.items() if key != "hydra"})


def check_types(config: DictConfig, overrides: Sequence[str], config_name: str = "train") -> None:
    """Check that overridden numbers and switches are still numbers and switches.

    Raises:
        ConfigError: naming the key, what was expected and what was found.
    """
    choices = [text for text in overrides if re.fullmatch(r"[a-z_]+(/[a-z_]+)*=\w+", text)]
    groups = [
        text
        for text in choices
        if text.startswith("system=") or isinstance(config.get(text.partition("=")[0]), DictConfig)
    ]
    given = ["output_dir=.", *(["checkpoint=."] if config_name == "evaluate" else [])]  # what has no default
    default = dict(leaves(plain(compose_config([*groups, *given], config_name))))
    content = plain(config)
    for key, value in default.items():
        if isinstance(value, dict) and "." not in key and key not in _MAY_LACK and not content.get(key):
            raise ConfigError(f"{key}: expected one of {', '.join(option_files()[key])}, found none; choose {key}=NAME")
    for key, value in leaves(content):
        expected = default.get(key)
        if value is None or not isinstance(expected, bool | int | float) or _also(key, value):
            continue
        if not _same_kind(expected, value):
            kind = _ALSO.get(key) or _KINDS[type(expected)]
            told = _FROM_ENVIRONMENT if isinstance(value, str) and _is_number(value) else ""
            raise ConfigError(f"{key}: expected {kind}, found {value!r}{told}")


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?", text.strip(), re.IGNORECASE) is not None


def _also(key: str, value: Any) -> bool:
    """Say whether a value is one of the other kinds that Lightning takes."""
    if key == "trainer.devices":
        numbers = value if isinstance(value, list) else [value]
        return value == "auto" or bool(numbers and all(type(number) is int for number in numbers))
    return key == "trainer.deterministic" and value == "warn"


def _same_kind(expected: bool | int | float, value: Any) -> bool:
    if isinstance(expected, bool) or isinstance(value, bool):
        return isinstance(expected, bool) and isinstance(value, bool)
    return isinstance(value, int) or (isinstance(value, float) and isinstance(expected, float))

"""Errors of Hydra and OmegaConf, told in one line with the nearest valid names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hydra.errors import MissingConfigException, OverrideParseException

from leap_avvp.config.groups import hydra_names, launchers, valid_names
from leap_avvp.config.lightning import trainer_arguments
from leap_avvp.errors import ConfigError, nearest

__all__ = ["explain"]

_LAUNCHERS = "pip install 'leap-avvp[launchers]'"
# Of launchers and sweepers that are not installed: what has each.
_PLUGINS = {
    "joblib": _LAUNCHERS,
    "submitit_slurm": _LAUNCHERS,
    "submitit_local": _LAUNCHERS,
    "ray": "pip install hydra-ray-launcher",
    "ray_aws": "pip install hydra-ray-launcher",
    "rq": "pip install hydra-rq-launcher",
    "optuna": "pip install hydra-optuna-sweeper",
    "ax": "pip install hydra-ax-sweeper",
    "nevergrad": "pip install hydra-nevergrad-sweeper",
}


def explain(error: BaseException, config_name: str = "train") -> ConfigError:
    """Turn an error of Hydra or OmegaConf into one line with the nearest valid names and what Hydra advises."""
    if isinstance(error, ConfigError):
        return error
    text = str(error)
    if isinstance(error, MissingConfigException) and error.options is not None and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        if group in ("hydra/launcher", "hydra/sweeper") and option in _PLUGINS:
            return ConfigError(f"{group}={option}: not installed; {_PLUGINS[option]}")
        return ConfigError(_unknown(f"{group}={option}" if group else option, option, error.options, "option"))
    known = _sweep(text) or _plus(text) or _key(text, config_name) or _value(error, text)
    if known is not None:
        return ConfigError(known)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return ConfigError(" ".join(lines[:2]) if lines else type(error).__name__)


def _sweep(text: str) -> str | None:
    """Tell of several values where there is one run."""
    found = re.search(r"Ambiguous value for argument '(.*)'", text)
    if found:
        key, _, values = found[1].partition("=")
        return (
            f"{found[1]}: several values for one run; add -m (--multirun) to run each, or write a list as "
            f"{key}=[{values}], a text as {key}='\"{values}\"'"
        )
    found = re.search(r"Sweep parameters '(.*)' requires --multirun", text)
    return f"{found[1]}: several values for one run; add -m (--multirun) to run each" if found else None


def _plus(text: str) -> str | None:
    """Tell of a ``+`` before what is in the config already."""
    found = re.search(
        r"Could not append to config. An item is already at '([^']+)'.\nEither remove \+ prefix: '(.*)'", text
    )
    if found:
        return f"+{found[2]}: {found[1]} is in the config already; write {found[2]}, or ++{found[2]} to add or replace"
    found = re.search(r"Multiple values for (\S+)\. To override a value use 'override \S+: (.*)'", text)
    return f"+{found[1]}={found[2]}: {found[1]} is chosen already; write {found[1]}={found[2]}" if found else None


def _key(text: str, config_name: str) -> str | None:
    """Tell of a key that the config has not, or that has no value."""
    found = re.search(r"Could not (?:override|append to config|delete from config)\D*?'([^'=]+)", text)
    if found is None:
        found = re.search(r"Key '([^']+)' is not in struct", text)
    if found:
        names = valid_names(config_name)
        advised = re.search(r"To append to your (?:config|default list) use (\+.*)", text)
        added = f"; {advised[1]} adds it" if advised else ""
        if names.get(found[1]):
            return f"{found[1]}: this key belongs to {' and '.join(sorted(names[found[1]]))}, not chosen here{added}"
        if found[1].startswith("hydra.launcher."):
            chosen = ", ".join(f"hydra/launcher={name}" for name in launchers())
            return f"{found[1]}: no such key of the launcher that is chosen; choose another first: {chosen}"
        valid = hydra_names(config_name) if found[1].startswith("hydra.") else list(names)
        if found[1].startswith("trainer."):
            valid = list(dict.fromkeys([*valid, *(f"trainer.{name}" for name in trainer_arguments())]))
        return _unknown(found[1], found[1], valid, "key") + added
    missing = re.search(r"Missing mandatory value: (\S+)", text)
    return f"{missing[1]}: needed and not given; add {missing[1]}=VALUE" if missing else None


def _value(error: BaseException, text: str) -> str | None:
    """Tell of a word that Hydra cannot read."""
    if not isinstance(error, OverrideParseException):
        return None
    lines = text.splitlines()
    reason = (
        lines[0] if lines[0].startswith(("mismatched", "no viable", "extraneous")) else lines[min(1, len(lines) - 1)]
    )
    why = "" if reason.strip() in ("^", "") or reason.startswith("See ") else f" ({reason.strip()})"
    return (
        f"{error.override}: expected key=value, in which brackets and quotes are closed{why}; "
        "a text with such characters goes in quotes: key='\"TEXT\"'"
    )


def _unknown(shown: str, name: str, valid: Sequence[str], kind: str) -> str:
    near = nearest(name, valid)
    if not near and "." in name:  # the last part may be right and its parent wrong, or left out
        tail = name.rpartition(".")[2]
        near = [path for path in valid if path.rpartition(".")[2] == tail][:3]
    if near:
        return f"{shown}: no such {kind}; nearest: {', '.join(near)}"
    some = ", ".join(path for path in sorted(valid) if "." not in path)
    return f"{shown}: no such {kind}; valid: {some}"

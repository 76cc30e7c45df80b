"""Errors of Hydra and OmegaConf, told in one line with the nearest valid names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hydra.errors import MissingConfigException

from leap_avvp.config.groups import valid_names
from leap_avvp.errors import ConfigError, nearest

__all__ = ["explain"]

_PLUGINS = {
    "joblib": "hydra-joblib-launcher",
    "submitit_slurm": "hydra-submitit-launcher",
    "submitit_local": "hydra-submitit-launcher",
}


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
        names = valid_names(config_name)
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


def _unknown(shown: str, name: str, valid: Sequence[str], kind: str) -> str:
    near = nearest(name, valid)
    if not near and "." in name:  # the last part may be right and its parent wrong, or left out
        tail = name.rpartition(".")[2]
        near = [path for path in valid if path.rpartition(".")[2] == tail][:3]
    if near:
        return f"{shown}: no such {kind}; nearest: {', '.join(near)}"
    some = ", ".join(path for path in sorted(valid) if "." not in path)
    return f"{shown}: no such {kind}; valid: {some}"

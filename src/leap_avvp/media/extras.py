"""Packages that only raw media need, imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from leap_avvp.errors import ConfigError

__all__ = ["need"]


def need(module: str, extra: str) -> Any:
    """Return a module of an extra: ``need("av", "media")``.

    Raises:
        ConfigError: it is not installed, with the command that installs it; or it is, and does not load.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and module.partition(".")[0] == error.name.partition(".")[0]:
            raise ConfigError(
                f"{module} is not installed; this needs the extra `{extra}`: pip install 'leap-avvp[{extra}]'"
            ) from None
        raise ConfigError(f"{module} is installed but does not load: {error}") from error
    except ImportError as error:
        raise ConfigError(f"{module} is installed but does not load: {error}") from error

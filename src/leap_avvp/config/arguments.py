"""Checks of the arguments that a config gives to what it names: which there are, and what was wrong with one."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from leap_avvp.config.trust import check_targets, locate
from leap_avvp.errors import ConfigError, LeapError, nearest

__all__ = ["check_arguments", "check_nested", "takes", "wrong_arguments"]

_HYDRAS = ("_target_", "_partial_", "_recursive_", "_convert_", "_args_")
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}
# What torch and Lightning raise where an argument is of the wrong kind, or out of range.
_WRONG = (TypeError, ValueError, ArithmeticError, RuntimeError, AttributeError, LookupError, AssertionError)


def check_arguments(node: Mapping[str, Any], path: str, positional: int = 0, named: Collection[str] = ()) -> None:
    """Check that a node's keys are arguments of what it names, and that none is left out.

    Args:
        node: plain, its ``_target_`` known to be trusted.
        path: of the node in the whole config.
        positional: how many arguments the program gives before them.
        named: arguments that the program gives by name.

    Raises:
        ConfigError: naming the key, and those that there are.
    """
    try:
        parameters = inspect.signature(locate(str(node["_target_"]))).parameters
    except (TypeError, ValueError):  # written in C, or computed: it says itself what it does not take
        return
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = [name for name, parameter in parameters.items() if parameter.kind in plain]
    filled = known[: positional + len(node.get("_args_", ()))]
    given = [str(key) for key in node if key not in _HYDRAS]
    free = [name for name in known if name not in filled and name not in named]
    if not any(parameter.kind == inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        for key in given:
            if key not in free and key not in named:
                near = nearest(key, free, limit=1)
                hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(free) or 'none'}"
                raise ConfigError(
                    f"{path}.{key}: expected an argument of {node['_target_']}, found none of that name; {hint}; "
                    f"leave it out, or take it away with '~{path}.{key}' where an option has it"
                )
    for name in given:
        kind = (
            str(getattr(parameters[name].annotation, "__name__", parameters[name].annotation)) if name in free else ""
        )
        if kind in _KINDS and isinstance(node[name], str):
            raise ConfigError(f"{path}.{name}: expected {_KINDS[kind]}, found {node[name]!r}")
    for name in free:
        if parameters[name].default is inspect.Parameter.empty and name not in given:
            raise ConfigError(f"{path}.{name}: {node['_target_']} needs it; add +{path}.{name}=VALUE")


def check_nested(node: Mapping[str, Any], path: str) -> None:
    """Check the arguments of the parts within a part, as the terms of a loss; the node's own are not looked at.

    Raises:
        ConfigError: naming the key by its whole path, and the arguments that there are.
    """
    for key, value in node.items():
        if isinstance(value, Mapping):
            place = f"{path}.{key}"
            if value.get("_target_") is not None and not value.get("_partial_"):
                check_arguments(value, place)
            check_nested(value, place)


def takes(node: Mapping[str, Any], argument: str) -> bool:
    """Say whether what a node names has an argument of this name."""
    try:
        check_targets(node)
        return argument in inspect.signature(locate(str(node.get("_target_")))).parameters
    except (TypeError, ValueError, ImportError, AttributeError):  # building it says what is wrong
        return False


@contextlib.contextmanager
def wrong_arguments(node: Mapping[str, Any], path: str) -> Iterator[None]:
    """Tell in one line what a part raises for its arguments while the block runs, with the arguments.

    Raises:
        ConfigError: naming the part; a part's own complaint stays.
    """
    try:
        yield
    except LeapError:
        raise
    except _WRONG as error:
        given = ", ".join(f"{key}={value!r}" for key, value in node.items() if key not in _HYDRAS)
        what = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"{path}: {node['_target_']}({given[:300]}): {what or type(error).__name__}") from error

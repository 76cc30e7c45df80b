"""``leap-avvp weights``: the pretrained networks that videos are turned into features with."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "weights"
ABOUT = "list the pretrained weights that videos need (licence, size, where from, present or not), or get some"
EXAMPLE = """\
leap-avvp weights
leap-avvp weights get yamnet efficientnet_lite0
leap-avvp weights get embedded
leap-avvp weights get vggish --from ~/Downloads/vggish-10086976.pth"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action and what it takes."""
    actions = parser.add_subparsers(dest="action", metavar="get")
    get = actions.add_parser("get", help="fetch weights into the cache, or take a file that somebody brought")
    get.add_argument("names", nargs="+", metavar="NAME", help="of weights, or of a feature set: all that it uses")
    get.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="FILE",
        help="take this file (its hash is checked), or this folder of a model of the Hugging Face hub",
    )


def run(arguments: argparse.Namespace) -> int:
    """List the weights, or get some; return 0.

    Raises:
        ConfigError: unknown names, or a package that fetching needs is missing.
        DataError: what cannot be fetched, or is another file than expected.
    """
    if arguments.action is None:
        return _list()
    return _get(arguments.names, arguments.source)


def _list() -> int:
    from leap_avvp.media.weights import WEIGHTS, cache_folder

    folder = cache_folder()
    print(f"{'name':<19} {'here':<8} {'size':>7}  {'licence':<13} features")
    for weight in WEIGHTS.values():
        here = weight.absence(folder)
        state = {None: "yes", "missing": "no"}.get(here, "damaged")
        print(f"{weight.name:<19} {state:<8} {weight.size:>7}  {weight.licence:<13} {' '.join(weight.used_by)}")
        print(f"  {weight.about}\n  {weight.source}")
    print(f"cache: {folder} (LEAP_AVVP_CACHE names another)")
    print("`leap-avvp weights get NAME` fetches; nothing is fetched unasked")
    return 0


def _get(names: list[str], source: Path | None) -> int:
    from leap_avvp.errors import ConfigError
    from leap_avvp.media.fetch import get
    from leap_avvp.media.weights import WEIGHTS, weight_named, weights_of

    # Weights of one name and a feature set of the same are the weights.
    wanted = [one for name in names for one in ([name] if name in WEIGHTS else weights_of(name) or [name])]
    for name in dict.fromkeys(wanted):
        weight_named(name)  # all are known before the first is fetched
    if source is not None and len(set(wanted)) != 1:
        raise ConfigError(f"--from: expected one name with it, found {', '.join(dict.fromkeys(wanted))}")
    for name in dict.fromkeys(wanted):
        print(f"{name}: {get(name, source, _shown if sys.stderr.isatty() else None)}", flush=True)
    return 0


def _shown(got: int, expected: int | None) -> None:
    share = f" of {expected / 1e6:.0f}" if expected else ""
    print(f"\r{got / 1e6:.0f}{share} MB", end="\n" if got == expected else "", file=sys.stderr, flush=True)

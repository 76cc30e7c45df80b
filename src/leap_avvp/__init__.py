"""Audio-visual video parsing on LLP with LEAP (Zhou et al., ECCV 2024).

``leap_avvp.load(path).parse(features)`` is the short way in. Names are imported when they are first used: a plain
``import leap_avvp`` does not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leap_avvp.inference import Event, Parser, ParseResult, load

__all__ = ["Event", "ParseResult", "Parser", "__version__", "load"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.inference"), name)

"""The data card of a folder that is being filled with features."""

from __future__ import annotations

from pathlib import Path

import yaml

from leap_avvp.card.dataset import CARD_FILE
from leap_avvp.card.read import read_card
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.files import write_whole

__all__ = ["bring_card", "card_there"]


def card_there(out: Path, card: Path | None) -> Path | None:
    """Return the file of the card: that which is named, or the one in ``out``; None where there is neither."""
    if card is not None:
        return card / CARD_FILE if card.is_dir() else card
    return out / CARD_FILE if (out / CARD_FILE).is_file() else None


def bring_card(out: Path, card: Path) -> None:
    """Copy a card, and the file of its feature set, into ``out`` where there is none.

    Raises:
        ConfigError: ``out`` has a card of other classes, segments or ids.
        DataError: it cannot be read or written.
    """
    file = card / CARD_FILE if card.is_dir() else card
    mine = read_card(file)
    there = out / CARD_FILE
    if there.exists():
        other = read_card(there)
        said, found = mine.to_dict(), other.to_dict()
        unlike = [key for key in ("classes", "segments", "seconds", "ids") if said[key] != found[key]]
        if unlike:
            raise ConfigError(f"--card {card}: {there} says other {', '.join(unlike)}; use another --out")
        return
    try:
        content = file.read_bytes()
        named = yaml.safe_load(content).get("features")
        if isinstance(named, str) and named.endswith((".yaml", ".yml")):
            if Path(named).name != named:
                raise DataError(
                    f"{file}: features: expected a file beside the card, to copy both, found {named[:80]!r}"
                )
            write_whole(out / named, (file.parent / named).read_bytes())
    except OSError as error:
        raise DataError(f"{error.filename or file}: cannot be read ({error.strerror})") from error
    write_whole(there, content)

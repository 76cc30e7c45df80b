"""How each event class looks, in every figure: a colour, a hatch and a readable name."""

from __future__ import annotations

import dataclasses

from leap_avvp.card import LLP, DataCard

__all__ = ["CLASS_STYLES", "KIND_STYLES", "RUN_STYLES", "ClassStyle", "RunStyle", "class_styles"]

# Chosen by a search so that any two are at least 15 apart in CIELAB, and two of one hatch at least 21, in normal vision
# and in simulated protanopia, deuteranopia and tritanopia. A column shares its hatch.
_COLOURS = (
    ("#3B769D", "#D862C4", "#D89D14", "#009D3B", "#FF624E"),
    ("#B1B176", "#B1EB9D", "#27B1FF", "#C4C4FF", "#FFD83B"),
    ("#B14E00", "#003BB1", "#D8EB76", "#9D4EC4", "#8976FF"),
    ("#9DEBEB", "#B18976", "#890062", "#00FFC4", "#622789"),
    ("#894E3B", "#623B3B", "#89B1B1", "#627676", "#891400"),
)
_HATCHES = ("", "///", "...", "\\\\\\", "xxx")
_OVER = ("", "--", "||", "oo", "++", "**", "OO", "--oo")  # drawn over those from the 126th class on


@dataclasses.dataclass(frozen=True)
class ClassStyle:
    """The looks of one event class, or of one kind of decision."""

    name: str
    """Readable, such as ``Frying (food)``."""
    colour: str
    """``#RRGGBB``"""
    hatch: str
    """As matplotlib writes hatches; empty for none."""

    @property
    def ink(self) -> str:
        """Black or white, whichever is read better on the colour (WCAG's contrast)."""
        channels = [int(self.colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        return "black" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "white"


def class_styles(card: DataCard) -> tuple[ClassStyle, ...]:
    """Return the looks of a data set's classes, by class index; no two of up to 1,000 are alike.

    The 25 colours come again in turn, with another hatch each time, so that neighbours differ in both. A name's
    characters that cannot be drawn, such as control codes, become a replacement character.
    """
    return tuple(ClassStyle(_printable(name), *_look(index)) for index, name in enumerate(card.display))


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)


def _look(index: int) -> tuple[str, str]:
    turn, place = divmod(index, 25)
    hatch = _HATCHES[(place + turn) % 5] + _OVER[turn // 5 % len(_OVER)]
    return _COLOURS[place // 5][place % 5], hatch


CLASS_STYLES: tuple[ClassStyle, ...] = class_styles(LLP)
"""Of LLP's classes."""

KIND_STYLES: dict[str, ClassStyle] = {
    "hit": ClassStyle("right", "#009E73", ""),
    "missed": ClassStyle("missed", "#DDDDDD", "///"),
    "wrong_modality": ClassStyle("wrong modality", "#56B4E9", "\\\\\\"),
    "wrong_time": ClassStyle("wrong time", "#F0E442", "..."),
    "wrong_both": ClassStyle("wrong modality and time", "#CC79A7", "xxx"),
    "invented": ClassStyle("invented", "#D55E00", ""),
}
"""By the names of :class:`~leap_avvp.metrics.errors.DecisionCounts`, in the colours of Okabe and Ito."""


@dataclasses.dataclass(frozen=True)
class RunStyle:
    """The looks of one run beside another."""

    colour: str
    line: str


RUN_STYLES = (RunStyle("#0072B2", "-"), RunStyle("#D55E00", "--"))
"""Of a first and a second run, in the colours of Okabe and Ito."""

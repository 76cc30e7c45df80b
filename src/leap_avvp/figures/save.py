"""Figures as files, and the mark that no figure of simulated data goes without."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from leap_avvp.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["HATCH_WIDTH", "SIMULATED", "mark_source", "save_figure"]

SIMULATED = "SIMULATED data: not comparable with LLP"
HATCH_WIDTH = 0.5
"""Points. Older versions of matplotlib read it when a figure is saved, newer ones when a patch is made."""
_DPI = 200


def mark_source(figure: Figure, data_source: str) -> None:
    """Say at the figure's upper edge that its data are simulated, or of which data set they are if not LLP.

    The place is right of the title, which stands on the left.
    """
    if data_source != "llp":
        simulated = data_source == "simulated"
        figure.text(
            0.995, 0.995, SIMULATED if simulated else f"data: {data_source}", ha="right", va="top", fontsize=8,
            weight="bold", color="#B00000" if simulated else "0.3", parse_math=False,
        )  # fmt: skip


def save_figure(figure: Figure, folder: str | Path, name: str) -> list[Path]:
    """Write ``name.png`` and ``name.svg``, whole or not at all; the same figure always gives the same bytes.

    Characters of the name that a file name should not hold become ``_``.

    Raises:
        DataError: a file cannot be written.
    """
    from matplotlib import rc_context

    stem = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    paths = [Path(folder) / f"{stem}.{kind}" for kind in ("png", "svg")]
    with rc_context({"svg.hashsalt": stem, "hatch.linewidth": HATCH_WIDTH}):
        write_whole(paths[0], lambda part: figure.savefig(part, format="png", dpi=_DPI))
        write_whole(paths[1], lambda part: figure.savefig(part, format="svg", metadata={"Date": None}))
    return paths

"""A study's figure: one metric against one config key, published and measured."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from leap_avvp.errors import ConfigError
from leap_avvp.studies.spec import Plot, lookup
from leap_avvp.studies.tables import Table, TableRow, provenance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform

__all__ = ["plot_png"]

# Okabe and Ito's palette: told apart in every common colour-vision deficiency.
_PUBLISHED, _MEASURED, _WARNING = "#0072B2", "#D55E00", "#000000"
_DPI = 150


def plot_png(table: Table) -> bytes:
    """Draw the study's plot and return it as PNG.

    On the real LLP, published and measured values share the axes. On simulated data each has axes of its own, titled
    with its data, and the figure carries the warning: nobody can read a difference off it.

    Raises:
        ConfigError: the study has no plot, or a row does not say where on the x axis it lies.
    """
    # Here, not above: the font cache alone costs seconds, which callers without a figure should not pay.
    from matplotlib.figure import Figure

    plot = table.study.plot
    if plot is None:
        raise ConfigError(f"experiments/{table.study.name}.yaml: expected a key 'plot', found none")
    together = table.data_source == "llp"
    figure = Figure(figsize=(6.4, 4.6) if together else (9.6, 4.8), dpi=_DPI, layout="constrained")
    figure.suptitle(table.study.title, fontsize=13)
    axes = [figure.subplots()] * 2 if together else list(figure.subplots(1, 2))
    positions = _positions(table, plot.x)
    _published(axes[0], table, positions, plot)
    _measured(axes[1], table, positions, plot)
    for axis in dict.fromkeys(axes):
        _dress(axis, table, positions, plot)
        if len(axis.get_legend_handles_labels()[1]) > 1:
            axis.legend(frameon=False, fontsize=9)
    if not together:
        axes[0].set_title("published (real LLP)", color=_PUBLISHED)
        axes[1].set_title(f"measured ({table.data_source.upper()} data)", color=_MEASURED)
        axes[1].text(
            0.5, 0.5, table.data_source.upper(), transform=axes[1].transAxes, ha="center", va="center",
            fontsize=40, color="0.9", rotation=25, zorder=0,
        )  # fmt: skip
    shown = ("data", "protocol", "seeds", "epochs", "changed", "measured")
    footer = "; ".join(line for line in provenance(table) if line.startswith(shown))
    lines = textwrap.wrap(footer, 118 if together else 180)
    figure.supxlabel("\n".join(([table.warning] if table.warning else []) + lines), fontsize=7, color=_WARNING)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Title": table.study.title, "Comment": table.warning or ""})
    return buffer.getvalue()


def _positions(table: Table, key: str) -> dict[Any, float]:
    """Return where each value of the x key lies: its own value for numbers, its rank otherwise."""
    values = dict.fromkeys(_x(row, key) for row in table.rows)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return {value: float(value) for value in values}
    return {value: float(rank) for rank, value in enumerate(values)}


def _x(row: TableRow, key: str) -> Any:
    if key in row.row.match:
        return row.row.match[key]
    for result in row.results:
        value = lookup(result.cell.config, key)
        if value is not None:
            return value
    raise ConfigError(f"plot: expected the key {key!r} in the match of row {row.row.label!r}, found none")


def _published(axis: Axes, table: Table, positions: dict[Any, float], plot: Plot) -> None:
    points = [(positions[_x(row, plot.x)], row.row.published.get(plot.y)) for row in table.rows]
    _draw(axis, points, color=_PUBLISHED, marker="s", label="published", left=True)


def _measured(axis: Axes, table: Table, positions: dict[Any, float], plot: Plot) -> None:
    rows = [(positions[_x(row, plot.x)], row, row.measured(plot.y)) for row in table.rows]
    several = any(summary is not None and summary.std is not None for _, _, summary in rows)
    label = "measured, mean ± std" if several else "measured, 1 seed"
    means = [(x, None if summary is None else summary.mean) for x, _, summary in rows]
    _draw(axis, means, color=_MEASURED, marker="o", label=label, left=False)
    for x, row, summary in rows:
        if summary is None:
            axis.text(x, 0.03, row.state, transform=axis.get_xaxis_transform(), ha="center", color=_MEASURED)
        elif summary.std is not None:
            axis.errorbar([x], [summary.mean], yerr=[summary.std], color=_MEASURED, capsize=4, linewidth=1.2)
            axis.scatter(
                [x] * len(summary.values), summary.values, transform=_beside(axis), s=18, facecolors="none",
                edgecolors=_MEASURED, linewidths=0.9, label=_once(axis, "one seed"), zorder=5,
            )  # fmt: skip


def _draw(
    axis: Axes, points: Sequence[tuple[float, float | None]], *, color: str, marker: str, label: str, left: bool
) -> None:
    """Draw points joined by a line that breaks where a value is absent, each with its number on one side."""
    from matplotlib.patheffects import withStroke

    ordered = sorted(points, key=lambda point: point[0])
    heights = [math.nan if y is None else y for _, y in ordered]
    if all(math.isnan(height) for height in heights):
        return
    axis.plot([x for x, _ in ordered], heights, color=color, marker=marker, label=label, zorder=3)
    for x, y in ordered:
        if y is not None:
            axis.annotate(
                f"{y:.1f}", (x, y), textcoords="offset points", xytext=(-8 if left else 8, 9), color=color, zorder=4,
                ha="right" if left else "left", path_effects=[withStroke(linewidth=3, foreground="white")],
            )  # fmt: skip


def _beside(axis: Axes) -> Transform:
    """Return the data's coordinates, moved some points to the left: what is drawn there does not hide the error bar."""
    from matplotlib.transforms import ScaledTranslation

    figure = axis.figure
    assert figure is not None
    return axis.transData + ScaledTranslation(-7 / 72, 0, figure.dpi_scale_trans)


def _once(axis: Axes, label: str) -> str:
    """Return the label, or "nothing to put into the legend" where it already stands there."""
    return "_nolegend_" if label in axis.get_legend_handles_labels()[1] else label


def _dress(axis: Axes, table: Table, positions: dict[Any, float], plot: Plot) -> None:
    if plot.log2 and all(position > 0 for position in positions.values()):
        axis.set_xscale("log", base=2)
        low, high = min(positions.values()), max(positions.values())
        edge = max(high / low, 2) ** 0.15
        axis.set_xlim(low / edge, high * edge)
    else:
        low, high = min(positions.values()), max(positions.values())
        edge = 0.15 * max(high - low, 1)
        axis.set_xlim(low - edge, high + edge)
    axis.set_xticks(
        list(positions.values()), [f"{value:g}" if isinstance(value, float) else str(value) for value in positions]
    )
    axis.minorticks_off()
    axis.margins(y=0.3)
    axis.set_xlabel(plot.x_label)
    axis.set_ylabel(f"{table.study.columns[plot.y]} (%)")
    axis.grid(axis="y", color="0.85", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)

"""Published rows as a study's table shows them: the figures of its columns, and what they rest on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from leap_avvp.errors import check_choice
from leap_avvp.studies.published import Published, published_of, read_published

__all__ = ["figures", "footing", "published_row"]


def published_row(system: str, variant: str = "") -> Published:
    """Return one published row.

    Raises:
        ConfigError: no such system, or no such variant of it.
    """
    found = {row.variant: row for row in published_of(system)}
    if not variant and len(found) == 1:
        return next(iter(found.values()))
    return found[check_choice(f"published.variant of {system}", variant, found)]


def figures(row: Published, columns: Iterable[str]) -> dict[str, float]:
    """Return what a row reports of the columns, in percent."""
    known = {key: row.only.get(key, row.value(key)) for key in columns}
    return {key: value for key, value in known.items() if value is not None}


def footing(rows: Mapping[str, Published]) -> list[str]:
    """Return lines that say what figures rest on, those of one footing together, and where they contradict themselves.

    Args:
        rows: published ones by the labels of the table's rows.
    """
    table = read_published()
    alike: dict[tuple[str, str, str], list[str]] = {}
    for label, row in rows.items():
        alike.setdefault((row.features, row.protocol, row.annotations), []).append(label)
    lines = [
        f"published figures of {'; '.join(labels)}: features {features}, protocol {protocol}, annotations {annotations}"
        for (features, protocol, annotations), labels in alike.items()
    ]
    lines += [f"annotations {name}: {table.annotations[name]}" for name in dict.fromkeys(key[2] for key in alike)]
    for tag in dict.fromkeys(row.sources[0] for row in rows.values()):
        labels = [label for label, row in rows.items() if row.sources[0] == tag]
        lines.append(f"published figures of {'; '.join(labels)} were read in {table.sources[tag]}")
    needs = [f"{label}: {row.needs}" for label, row in rows.items() if row.needs not in (None, "nothing")]
    lines += [f"needed beyond weak labels: {'; '.join(needs)}"] if needs else []
    lines += [f"{label} has no published figures: {row.note}" for label, row in rows.items() if not row.numbers]
    for label, row in rows.items():
        for found in row.contradictions():
            printed = f"{label}, published: Type {found.printed:.1f} at {found.level} level is printed"
            lines.append(f"{printed} where its A, V and AV give {found.parts:.1f}")
    return lines

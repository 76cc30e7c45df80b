"""A study as its YAML file in ``experiments/`` states it: columns, rows, published values, plot. Presentation only."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

import yaml

from leap_avvp.errors import ConfigError, check_choice
from leap_avvp.studies.footing import figures, footing, published_row
from leap_avvp.studies.keys import check_keys
from leap_avvp.studies.published import Published

__all__ = ["After", "Plot", "Row", "Study", "load_study", "lookup", "parse_study", "study_names"]

_PACKAGE = "leap_avvp.experiments"
_NO_STUDIES = ("published.yaml",)  # read by leap_avvp.studies.published
_KEYS = ("title", "source", "columns", "rows", "compare", "evaluate", "measure", "notes", "seeds", "plot", "after")
_ROW_KEYS = ("label", "match", "published", "differs")
_AFTER_KEYS = ("needs", "set", "file")
_PLOT_KEYS = ("x", "y", "x_label", "log2")


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the table, and which runs belong to it."""

    label: str
    match: Mapping[str, Any]
    """Dotted config key -> value; a run belongs to the row when its config holds all of them."""
    published: Mapping[str, float]
    """Metric key -> percent; keys that the source does not report are absent."""
    source: Published | None = None
    """The row of ``experiments/published.yaml`` that has them, where it is one."""
    differs: tuple[str, ...] = ()
    """In what the runs differ from the released program."""

    def matches(self, config: Mapping[str, Any]) -> bool:
        """Say whether a run with this (plain, nested) config belongs to the row."""
        return all(lookup(config, key) == value for key, value in self.match.items())


@dataclasses.dataclass(frozen=True)
class Plot:
    """The study's figure: one metric against one config key."""

    x: str
    y: str
    x_label: str
    log2: bool = False
    """Draw x with equal steps for equal ratios."""


@dataclasses.dataclass(frozen=True)
class After:
    """Cells that read a file of another cell, with the same seed and otherwise the same values."""

    value: str
    """The swept value of those cells: ``system=jomold``."""
    needs: str
    """What stands in its place in the cell that makes the file."""
    key: str
    """Of the config, which names the file."""
    file: str
    """Its name in the folder of the run that makes it."""


@dataclasses.dataclass(frozen=True)
class Study:
    """Everything that is known of a study before a run."""

    name: str
    title: str
    source: str
    columns: Mapping[str, str]
    """Metric key -> heading, in order."""
    rows: tuple[Row, ...]
    compare: tuple[tuple[str, str], ...] = ()
    """Pairs of row labels whose difference the study is about."""
    evaluate: tuple[str, ...] = ()
    """Overrides, each of which evaluates every trained cell once more: ``protocol=none``; empty for none."""
    measure: str = ""
    """Of a study without runs: what is measured in place of them, ``complexity``."""
    notes: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    plot: Plot | None = None
    after: tuple[After, ...] = ()

    @property
    def footnotes(self) -> list[str]:
        """What must be known to read the table: notes, how runs differ from released programs, what figures rest on."""
        differs: dict[str, list[str]] = {}
        for row in self.rows:
            for text in row.differs:
                differs.setdefault(text, []).append(row.label)
        lines = [f"other than the released program, {'; '.join(labels)}: {text}" for text, labels in differs.items()]
        return [*self.notes, *lines, *footing({row.label: row.source for row in self.rows if row.source})]


def lookup(config: Mapping[str, Any], key: str) -> Any:
    """Return the value at a dotted key of a nested config, None where there is none."""
    node: Any = config
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return node


def study_names(runs_only: bool = True) -> list[str]:
    """Return the names of the studies that consist of runs, or of all, sorted."""
    return [name for name in _files() if not runs_only or not load_study(name).measure]


def _files() -> list[str]:
    names = (file.name for file in resources.files(_PACKAGE).iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml") and name not in _NO_STUDIES)


def load_study(name: str) -> Study:
    """Read one study.

    Raises:
        ConfigError: no such study (with the nearest name), or a mistake in its file.
    """
    check_choice("study", name, _files())
    return parse_study(name, resources.files(_PACKAGE).joinpath(f"{name}.yaml").read_text(encoding="utf-8"))


def parse_study(name: str, text: str) -> Study:
    """Turn the text of a study file into a study.

    Raises:
        ConfigError: naming the file, the key, what was expected and what was found.
    """
    where = f"experiments/{name}.yaml"
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from error
    check_keys(where, content, _KEYS, needed=("title", "source", "columns", "rows"))
    columns = content["columns"]
    if not isinstance(columns, dict) or not columns:
        raise ConfigError(f"{where}: columns: expected a map of metric keys to headings, found {columns!r}")
    if not isinstance(content["rows"], list) or not content["rows"]:
        raise ConfigError(f"{where}: rows: expected a list of rows, found {content['rows']!r}")
    rows = tuple(_row(f"{where}: rows[{number}]", row, columns) for number, row in enumerate(content["rows"]))
    return Study(
        name=name,
        title=str(content["title"]),
        source=str(content["source"]),
        columns={str(key): str(heading) for key, heading in columns.items()},
        rows=rows,
        compare=_pairs(f"{where}: compare", content.get("compare") or (), [row.label for row in rows]),
        evaluate=_evaluations(f"{where}: evaluate", content.get("evaluate") or {}),
        measure=str(content.get("measure", "")),
        notes=tuple(str(note) for note in content.get("notes") or ()),
        seeds=tuple(int(seed) for seed in content.get("seeds") or (0,)),
        plot=_plot(f"{where}: plot", content["plot"], columns) if content.get("plot") else None,
        after=_after(f"{where}: after", content.get("after") or {}),
    )


def _row(where: str, row: Any, columns: Iterable[str]) -> Row:
    check_keys(where, row, _ROW_KEYS, needed=("label", "match"))
    if not isinstance(row["match"], dict):
        raise ConfigError(f"{where}.match: expected a map of config keys to values, found {row['match']!r}")
    keys, values = list(columns), row.get("published")
    differs = tuple(map(str, row.get("differs") or ()))
    if isinstance(values, dict):
        check_keys(f"{where}.published", values, ("system", "variant"), needed=("system",))
        found = published_row(str(values["system"]), str(values.get("variant") or ""))
        return Row(str(row["label"]), dict(row["match"]), figures(found, keys), found, differs)
    if values is None:
        values = [None] * len(keys)
    if not isinstance(values, list) or len(values) != len(keys):
        raise ConfigError(f"{where}.published: expected {len(keys)} numbers, one a column, found {values!r}")
    for value in values:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ConfigError(f"{where}.published: expected numbers (null where not reported), found {value!r}")
    published = {key: float(value) for key, value in zip(keys, values, strict=True) if value is not None}
    return Row(str(row["label"]), dict(row["match"]), published, differs=differs)


def _after(where: str, content: Any) -> tuple[After, ...]:
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: expected swept values with what each needs, found {content!r}")
    rules = []
    for value, rule in content.items():
        check_keys(f"{where}.{value}", rule, _AFTER_KEYS, needed=_AFTER_KEYS)
        needs = str(rule["needs"])
        if "=" not in needs or needs.partition("=")[0] != str(value).partition("=")[0] or needs == value:
            raise ConfigError(f"{where}.{value}.needs: expected another value of the same key, found {needs!r}")
        rules.append(After(str(value), needs, str(rule["set"]), str(rule["file"])))
    return tuple(rules)


def _pairs(where: str, pairs: Any, labels: Iterable[str]) -> tuple[tuple[str, str], ...]:
    found = []
    for pair in pairs if isinstance(pairs, list | tuple) else [pairs]:
        if not isinstance(pair, list) or len(pair) != 2:
            raise ConfigError(f"{where}: expected pairs of row labels, found {pair!r}")
        first, second = (check_choice(where, label, labels) for label in pair)
        found.append((first, second))
    return tuple(found)


def _evaluations(where: str, content: Any) -> tuple[str, ...]:
    if not isinstance(content, dict) or len(content) > 1 or not all(isinstance(v, list) for v in content.values()):
        raise ConfigError(f"{where}: expected one key with a list of values, found {content!r}")
    return tuple(f"{key}={value}" for key, values in content.items() for value in values)


def _plot(where: str, plot: Any, columns: Iterable[str]) -> Plot:
    check_keys(where, plot, _PLOT_KEYS, needed=("x", "y"))
    x, y = str(plot["x"]), check_choice(f"{where}.y", plot["y"], columns)
    return Plot(x, y, str(plot.get("x_label", x)), bool(plot.get("log2", False)))

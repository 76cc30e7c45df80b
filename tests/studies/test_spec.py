"""Study files: what they hold, that they fit what runs, and that mistakes are named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from leap_avvp.errors import ConfigError
from leap_avvp.studies import list_studies, load_study, print_studies
from leap_avvp.studies.plan import make_plan
from leap_avvp.studies.spec import lookup, parse_study, study_names

REPOSITORY = Path(__file__).parents[2]
METHOD = REPOSITORY.parent / "shared" / "design" / "method.md"

# Zhou et al., ECCV 2024, supplement, Table 6: segment A V AV Type Event, event A V AV Type Event, Avg.
TABLE6 = {
    0.5: (64.8, 67.8, 61.2, 64.6, 63.7, 58.9, 64.7, 55.6, 59.7, 57.1, 61.8),
    1.0: (64.8, 67.7, 61.8, 64.8, 63.6, 59.2, 64.9, 56.5, 60.2, 57.4, 62.1),
    2.0: (64.4, 66.7, 60.5, 63.9, 63.5, 59.0, 63.8, 56.0, 59.6, 57.3, 61.5),
}

SMALL = """
title: Small
source: a paper
columns: {average: Avg., segment/audio: A}
rows:
  - {label: one, match: {loss.avss_weight: 1}, published: [60.0, null]}
"""


def test_table6_holds_the_published_values(fake) -> None:
    study = load_study("table6")
    assert list(study.columns) == [*fake.keys, "average"]
    found = {row.match["loss.avss_weight"]: tuple(row.published.values()) for row in study.rows}
    assert found == TABLE6


@pytest.mark.parametrize(("weight", "values"), TABLE6.items())
def test_published_average_is_the_mean_of_the_ten(weight: float, values: tuple[float, ...]) -> None:
    assert sum(values[:10]) / 10 == pytest.approx(values[10], abs=0.051), weight


ON_THE_PAGE = {
    "table6": ("Table 6", ("0.5", "1.0", "2.0")),
    "table7": ("Table 7", ("first", "last", "average")),
    "table8": ("Table 8", ("HAN learnable", "HAN glove", "MM-Pyr learnable", "MM-Pyr glove")),
}


@pytest.mark.parametrize("name", ON_THE_PAGE)
def test_published_values_equal_the_design_page(name: str) -> None:
    if not METHOD.is_file():
        pytest.skip("the design page is not part of a checkout")
    title, labels = ON_THE_PAGE[name]
    section = METHOD.read_text().split(f"\n{title}", 1)[1]
    for row, label in zip(load_study(name).rows, labels, strict=True):
        found = re.search(rf"^{re.escape(label)}: (.*)$", section, flags=re.MULTILINE)
        assert found, label
        assert tuple(row.published.values()) == tuple(map(float, re.findall(r"\d+\.\d", found[1]))), label


def test_only_these_studies_have_published_values() -> None:
    with_values = {name for name in study_names() for row in load_study(name).rows if row.published}
    assert with_values == {*ON_THE_PAGE, "blocks", "peers"}
    (two,) = (row for row in load_study("blocks").rows if row.published)
    assert dict(two.published) == {"average": 61.3}
    assert load_study("table7").rows[1].published["average"] == 61.3


@pytest.mark.parametrize("name", study_names())
def test_every_row_has_one_cell_and_every_cell_one_row(name: str) -> None:
    study = load_study(name)
    if study.evaluate:
        pytest.skip("its rows are evaluations of one cell: see test_evaluations.py")
    cells = make_plan(name, seeds=[0]).cells
    assert [sum(row.matches(cell.config) for cell in cells) for row in study.rows] == [1] * len(study.rows)
    assert [sum(row.matches(cell.config) for row in study.rows) for cell in cells] == [1] * len(cells)


@pytest.mark.parametrize("name", study_names())
def test_every_study_states_source_notes_and_a_plot_it_can_draw(name: str) -> None:
    study = load_study(name)
    assert study.source
    assert study.notes
    if study.plot is not None:
        plot = study.plot
        assert all(lookup(cell.config, plot.x) is not None for cell in make_plan(name).cells)


def test_every_experiment_that_sweeps_has_a_study() -> None:
    experiments = {path.stem for path in (REPOSITORY / "conf" / "experiment").glob("*.yaml")} - {"none"}
    assert experiments == set(study_names())


def test_list_studies(capsys: pytest.CaptureFixture[str]) -> None:
    assert list_studies()["table6"].startswith("Table 6")
    assert print_studies() == 0
    assert "Table 6" in capsys.readouterr().out


def test_misspelt_study_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'table6'"):
        load_study("tabel6")


def test_small_study_and_its_defaults() -> None:
    study = parse_study("small", SMALL)
    assert study.rows[0].published == {"average": 60.0}  # null is absent, not zero
    assert study.seeds == (0,)
    assert study.plot is None
    assert study.rows[0].matches({"loss": {"avss_weight": 1.0}})
    assert not study.rows[0].matches({"loss": {}})
    assert not study.rows[0].matches({"loss": 1})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("published: [60.0, null]", "published: [60.0]"), r"rows\[0\].published: expected 2 numbers, one a column"),
        (("published: [60.0, null]", "published: [60.0, x]"), r"rows\[0\].published: expected numbers"),
        (("published: [60.0, null]", "published: [60.0, true]"), r"rows\[0\].published: expected numbers"),
        (("published:", "publishd:"), "did you mean 'published'"),
        (("title: Small", "titel: Small"), "did you mean 'title'"),
        (("source: a paper", ""), "expected the key 'source'"),
        (("{loss.avss_weight: 1}", "1"), r"rows\[0\].match: expected a map"),
        (("{average: Avg., segment/audio: A}", "[average]"), "columns: expected a map"),
        (("rows:", "plot: {x: a, y: averag}\nrows:"), "did you mean 'average'"),
        (("rows:", "plot: 3\nrows:"), "plot: expected a map"),
        (("columns: {", "columns: {{"), "small.yaml: not valid YAML"),
    ],
)
def test_mistakes_are_named(change: tuple[str, str], message: str) -> None:
    assert change[0] in SMALL
    with pytest.raises(ConfigError, match=message):
        parse_study("small", SMALL.replace(*change))


def test_rows_must_be_a_list() -> None:
    with pytest.raises(ConfigError, match="rows: expected a list"):
        parse_study("small", SMALL[: SMALL.index("rows:")] + "rows: 3")

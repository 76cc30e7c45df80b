"""What else a table shows: costs, scores that older runs lack, and what published rows rest on."""

from __future__ import annotations

import csv
import io

import pytest

from leap_avvp.errors import ConfigError
from leap_avvp.studies.columns import multiply_adds
from leap_avvp.studies.html import Chapter, page
from leap_avvp.studies.plan import make_plan
from leap_avvp.studies.render import to_csv, to_markdown, to_rich
from leap_avvp.studies.spec import load_study, parse_study
from leap_avvp.studies.sweep import inspect_plan
from leap_avvp.studies.tables import Table, build_table

STUDY = """
title: Small
source: the rows below
columns: {average: Avg., segment/audible_only: Ao, parameters: M par., multiply_adds: M mult-adds, time: min}
rows:
  - {label: λ = 1, match: {loss.avss_weight: 1}, published: {system: mm-pyramid}, differs: [one thing]}
notes: [a note]
"""
SYSTEMS = load_study("peers")


@pytest.fixture
def table(fake) -> Table:
    """Two seeds of one small network; the second run is older and has no audible-only score."""
    words = ["loss.avss_weight=1", "encoder.dim=8", "decoder.dim=8"]
    plan = make_plan("table6", seeds=[0, 1], overrides=words)
    for cell, seconds in zip(plan.cells, (90.0, 150.0), strict=True):
        scores = fake.scores(40.0) | ({"segment/audible_only": 33.25} if cell.seed == 0 else {})
        fake.write_run(cell, 40.0, test=scores, wall_time_s={"total": seconds}, parameters={"total": 1_234_567})
    return build_table(parse_study("small", STUDY), inspect_plan(plan)[0], "simulated")


def test_costs_are_read_from_the_runs_and_shown_in_their_units(table: Table) -> None:
    (row,) = table.rows
    assert row.measured("parameters").mean == 1_234_567
    assert row.measured("time").mean == 120
    assert row.measured("segment/audible_only") is None, "not of both runs"
    assert row.row.published["average"] == pytest.approx(56.12, abs=0.01)

    counted = f"{table.rows[0].measured('multiply_adds').mean / 1e6:.0f}"
    cells = [" 40.0 ±0.0 ", " – ", " 1.2 ", f" {counted} ", " 2.0 ±0.7 "]
    markdown = to_markdown(table)
    assert "|".join(cells) in markdown
    html = page("x", None, [], [Chapter("small", table)])
    for cell in cells:
        assert f"<td>{cell.strip()} </td>" in html or f"<td>{cell.strip()}</td>" in html
    assert [list(column.cells)[1] for column in to_rich(table).columns][2:] == [
        cell.strip().replace(" ", "\n") for cell in cells
    ]
    mean = next(row for row in csv.DictReader(io.StringIO(to_csv(table))) if row["kind"] == "mean")
    assert (float(mean["parameters"]), float(mean["time"])) == (1_234_567, 120), "in pieces and seconds"
    for line in (
        "a note",
        "other than the released program, λ = 1: one thing",
        "λ = 1, published: Type 59.7 at segment",
    ):
        assert line in markdown
        assert line in html


def test_multiply_adds_are_those_of_the_network() -> None:
    (leap,) = (cell.config for cell in make_plan("table6", overrides=["loss.avss_weight=1"]).cells)
    # Front end, encoder, label projection and LEAP blocks, as `reproduce complexity` counts them part by part.
    assert multiply_adds(leap) == 19_005_440 + 547_266_560 + 3_840_000 + 132_352_000 + 25_600
    # MMIL on HAN by hand: a front end; two attentions and a feed-forward for each modality; three heads.
    han = {"encoder": {"_target_": "leap_avvp.models.HAN"}, "decoder": {"_target_": "leap_avvp.models.MMILDecoder"}}
    dim, rows = 512, 10
    attention = rows * (4 * dim * dim) + 2 * rows * rows * dim
    layer = 2 * (2 * attention + 2 * rows * dim * dim)
    heads = 2 * rows * dim * 25 * 3
    assert multiply_adds(leap | han) == 19_005_440 + layer + heads
    assert multiply_adds({**leap, "encoder": {"_target_": "leap_avvp.models.Gone"}}) is None


@pytest.mark.parametrize(
    ("published", "message"),
    [
        ("{system: vallor}", "published system: expected one of AVE, "),
        ("{system: LEAP}", "published.variant of LEAP: expected one of HAN, "),
        ("{system: LEAP, variant: HANN}", "did you mean 'HAN'"),
        ("{sistem: LEAP}", "did you mean 'system'"),
    ],
)
def test_a_published_row_that_is_not_there_is_named(published: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_study("small", STUDY.replace("{system: mm-pyramid}", published))


def test_published_rows_of_the_peers_say_what_they_rest_on() -> None:
    rows = {row.label: row for row in SYSTEMS.rows}
    assert rows["UWAV, CLAP and CLIP"].published["segment/visual"] == 72.3
    assert rows["LEAP"].published["average"] == pytest.approx(62.09, abs=0.01)
    assert rows["HAN"].published["event/audible_only"] == 31.0
    assert not rows["VALOR+"].published
    notes = "\n".join(SYSTEMS.footnotes)
    assert "published figures of HAN; MM-Pyramid; VALOR; LEAP: features llp, protocol union, annotations old" in notes
    assert "published figures of UWAV, CLAP and CLIP: features uwav, protocol strict, annotations old" in notes
    assert "published figures of MM-Pyramid were read in figures/avvp.png of CFM-MSG/NREP" in notes
    assert "annotations old: the older AVVP_eval_audio.csv" in notes
    assert "MM-Pyramid, published: Type 54.1 at event level is printed where its A, V and AV give 53.3" in notes

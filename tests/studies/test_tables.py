"""Tables and figures: numbers by hand, warnings on simulated data, differences on the real LLP alone."""

from __future__ import annotations

import csv
import io
import struct
import zlib

import pytest
from rich.console import Console

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.scoring.record import read_record
from leap_avvp.studies import load_study
from leap_avvp.studies.figures import plot_png
from leap_avvp.studies.plan import make_plan
from leap_avvp.studies.render import to_csv, to_markdown, to_rich
from leap_avvp.studies.spec import Plot, parse_study
from leap_avvp.studies.sweep import CellResult
from leap_avvp.studies.tables import NOT_COMPARABLE, Table, build_table, provenance, summarise


@pytest.fixture
def table(fake):
    """Make a table of Table 6 from averages by (weight, seed)."""

    def make(averages: dict[tuple[float, int], float], source: str = "simulated", seeds=(0,), **changes) -> Table:
        results = []
        for cell in make_plan("table6", seeds=seeds, overrides=changes.pop("overrides", ())).cells:
            average = averages.get((cell.config["loss"]["avss_weight"], cell.seed))
            if average is None:
                results.append(CellResult(cell, "not run"))
            else:
                record = read_record(fake.write_run(cell, average, source, **changes))
                results.append(CellResult(cell, "finished", record))
        return build_table(load_study("table6"), results, source)

    return make


ONE_SEED = {(0.5, 0): 61.0, (1, 0): 62.5, (2, 0): 60.0}
THREE_SEEDS = {(weight, seed): value + (-1, 0, 2)[seed] for (weight, _), value in ONE_SEED.items() for seed in range(3)}


def rows_of(table: Table, kind: str) -> list[dict[str, str]]:
    return [row for row in csv.DictReader(io.StringIO(to_csv(table))) if row["kind"] == kind]


def terminal(table: Table) -> str:
    console = Console(width=80, file=io.StringIO())
    console.print(to_rich(table))
    return console.file.getvalue()


def test_summary_by_hand() -> None:
    summary = summarise([1.0, 2.0, 4.0])
    assert summary.mean == pytest.approx(7 / 3)
    # Squared deviations 16/9, 1/9, 25/9: 42/9 over n - 1 = 2.
    assert summary.std == pytest.approx((42 / 18) ** 0.5)
    assert summarise([3.0]).std is None


def test_mean_and_spread_over_seeds(table) -> None:
    made = table(THREE_SEEDS, seeds=(0, 1, 2))
    (mean, *_), (std, *_) = rows_of(made, "mean"), rows_of(made, "std")
    assert float(mean["average"]) == pytest.approx(61 + 1 / 3)
    assert float(std["average"]) == pytest.approx((42 / 18) ** 0.5)  # -1, 0, 2 around 1/3
    assert mean["seeds"] == "3"
    assert "| λ = 0.5 | SIMULATED, 3 seeds | 56.8 ±1.5 |" in to_markdown(made)
    assert "± is the sample standard deviation" in "\n".join(provenance(made))


def test_one_seed_has_no_spread(table) -> None:
    made = table(ONE_SEED)
    assert rows_of(made, "std") == []
    assert "±" not in to_markdown(made)
    assert "SIMULATED, 1 seed" in to_markdown(made)


def test_simulated_data_warn_everywhere_and_give_no_difference(table) -> None:
    made = table(ONE_SEED)
    assert not made.comparable
    assert NOT_COMPARABLE in to_markdown(made)
    assert "SIMULATED DATA" in terminal(made)
    assert {row["data_source"] for row in rows_of(made, "seed") + rows_of(made, "mean")} == {"simulated"}
    assert {row["note"] for row in rows_of(made, "mean")} == {NOT_COMPARABLE}
    for text in (to_markdown(made), terminal(made), to_csv(made)):
        assert "difference" not in text
    assert made.difference(made.rows[0], "average") is None


def test_other_data_are_named_and_neither_simulated_nor_compared(table) -> None:
    made = table(ONE_SEED, "street")
    assert not made.comparable
    assert "> **Measured on street, not on LLP: not comparable with the published values.**" in to_markdown(made)
    assert "STREET, 1 seed" in to_markdown(made)
    for text in (to_markdown(made), terminal(made), to_csv(made)):
        assert "SIMULATED" not in text
        assert "difference" not in text


def test_real_data_give_differences_and_no_warning(table) -> None:
    made = table(ONE_SEED, "llp")
    assert made.comparable
    assert [float(row["average"]) for row in rows_of(made, "difference")] == pytest.approx([-0.8, 0.4, -1.5])
    assert "| λ = 1 | difference |" in to_markdown(made)
    assert "difference" in terminal(made)
    for text in (to_markdown(made), terminal(made), to_csv(made)):
        assert "SIMULATED" not in text


def test_real_and_simulated_runs_share_no_table(table, fake) -> None:
    real = table(ONE_SEED, "llp")
    results = [result for row in real.rows for result in row.results]
    other = read_record(fake.write_run(results[0].cell, 50.0, "simulated"))
    with pytest.raises(DataError, match="llp and simulated data cannot share a table"):
        build_table(real.study, [CellResult(results[0].cell, "finished", other), *results[1:]], "llp")


def test_csv_reads_back_in_full(table) -> None:
    made = table(THREE_SEEDS, seeds=(0, 1, 2))
    seeds = rows_of(made, "seed")
    assert len(seeds) == 9
    records = {record.config_hash: record for record in made.records}
    for row in seeds:
        assert {key: float(row[key]) for key in made.study.columns} == records[row["config_hash"]].test
    published = rows_of(made, "published")
    assert [float(row["average"]) for row in published] == [61.8, 62.1, 61.5]
    assert {row["data_source"] for row in published} == {"llp"}


def test_terminal_shows_every_number_within_80_columns(table) -> None:
    text = terminal(table(THREE_SEEDS, "llp", seeds=(0, 1, 2)))
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("±1.5") == 33
    assert "61.8" in text


def test_missing_cells_are_words(table) -> None:
    made = table({(1, 0): 62.5}, "llp", seeds=(0, 1))
    assert [row.state for row in made.rows] == ["not run", "1 of 2 seeds", "not run"]
    assert "| λ = 2 | measured, not run | – |" in to_markdown(made)
    assert rows_of(made, "mean")[0]["average"] == ""
    assert rows_of(made, "mean")[0]["state"] == "not run"


def test_nothing_run_yet(table) -> None:
    made = table({})
    assert not made.comparable
    assert provenance(made) == ["measured: nothing yet"]
    assert NOT_COMPARABLE in to_markdown(made)


def test_cells_of_another_axis_are_never_averaged(table) -> None:
    made = table(ONE_SEED, overrides=["encoder=han,mm_pyramid"])
    assert [len(row.records) for row in made.rows] == [1] * 6
    assert made.rows[0].row.label == "λ = 0.5 (loss.avss_weight=0.5, encoder=han)"


def test_cells_without_a_row_get_their_own(table) -> None:
    made = table({(4, 0): 50.0}, overrides=["loss.avss_weight=4"])
    assert [row.row.label for row in made.rows][-1] == "loss.avss_weight=4"
    assert rows_of(made, "mean")[-1]["average"] == "50.0"
    assert len(rows_of(made, "published")) == 3


def test_a_metric_that_a_run_lacks_is_named(table) -> None:
    with pytest.raises(DataError, match="expected the metric 'segment/audio', found average"):
        table(ONE_SEED, test={"average": 50.0})


def test_provenance_names_what_the_numbers_depend_on(table, fake) -> None:
    lines = "\n".join(provenance(table(ONE_SEED, untrained=fake.scores(8.4))))
    for part in (
        "data: simulated (train 1024, val 200, test 400 videos)",
        "protocol: union",
        "seeds: 0",
        "epochs: 4, best: 3",
        "torch 2.13.0",
        "device: cpu",
        "wall time: 212 s for 3 runs",
        "untrained model, for scale: Avg. 8.4",
        make_plan("table6").cells[0].config_hash[:8],
    ):
        assert part in lines


def pixels(png: bytes) -> tuple[int, int, int]:
    """Return width, height and the number of different bytes of a PNG's image data."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    data, place = b"", 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        if png[place + 4 : place + 8] == b"IDAT":
            data += png[place + 8 : place + 8 + length]
        place += length + 12
    return width, height, len(set(zlib.decompress(data)))


def test_figure_on_simulated_data_has_two_panels_and_the_warning(table) -> None:
    png = plot_png(table(THREE_SEEDS, seeds=(0, 1, 2)))
    width, height, different = pixels(png)
    assert width > 1.8 * height
    assert different > 50
    assert NOT_COMPARABLE.encode() in png  # in the file's own comment too


def test_figure_on_real_data_has_one_panel(table) -> None:
    png = plot_png(table(THREE_SEEDS, "llp", seeds=(0, 1, 2)))
    width, height, different = pixels(png)
    assert width < 1.8 * height
    assert different > 50
    assert b"SIMULATED" not in png


@pytest.mark.parametrize("averages", [{}, {(1, 0): 62.5}])
def test_figure_of_an_unfinished_study(table, averages: dict[tuple[float, int], float]) -> None:
    assert pixels(plot_png(table(averages)))[2] > 20


def test_figure_over_names_and_without_published_values(table) -> None:
    text = """
title: Encoders
source: none
columns: {average: Avg.}
rows:
  - {label: small, match: {loss.avss_weight: 0.5}}
  - {label: large, match: {loss.avss_weight: 2}}
plot: {x: loss.normaliser, y: average}
"""
    made = table(ONE_SEED, "llp")
    results = [result for row in made.rows for result in row.results]
    named = build_table(parse_study("encoders", text), results, "llp")
    assert rows_of(named, "published") == rows_of(named, "difference") == []
    assert pixels(plot_png(named))[2] > 20


def test_figure_without_a_plot_or_a_place_is_refused(table) -> None:
    from dataclasses import replace

    made = table(ONE_SEED)
    with pytest.raises(ConfigError, match="expected a key 'plot'"):
        plot_png(replace(made, study=replace(made.study, plot=None)))
    with pytest.raises(ConfigError, match="expected the key 'nowhere'"):
        plot_png(replace(made, study=replace(made.study, plot=Plot("nowhere", "average", "x"))))

"""From ``metrics.json`` to records: everything read, everything wrong named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leap_avvp.errors import DataError
from leap_avvp.scoring.record import read_record
from leap_avvp.studies.collect import collect_runs
from leap_avvp.studies.plan import make_plan


def test_a_record_holds_the_file(fake) -> None:
    cell = make_plan("table6", seeds=[4]).cells[1]
    path = fake.write_run(cell, 55.25, untrained=fake.scores(8.0))
    record = read_record(path)
    assert (record.path, record.seed, record.config_hash) == (path, 4, cell.config_hash)
    assert record.test["average"] == 55.25
    assert record.untrained == fake.scores(8.0)
    assert record.config["loss"]["avss_weight"] == 1
    assert record.protocol == {"name": "union"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "leap-avvp/metrics/2"}, "expected the format 'leap-avvp/metrics/1', found 'leap-avvp/metrics/2'"),
        ({"test": None}, "test: expected dict, found None"),
        ({"seed": "0"}, "seed: expected int, found '0'"),
        ({"seed": True}, "seed: expected int, found True"),
        ({"test": {"average": float("nan")}}, "test: average: expected a number, found nan"),
        ({"test": {"average": "60"}}, "test: average: expected a number, found '60'"),
        ({"untrained": {"average": None}}, "untrained: average: expected a number"),
        ({"untrained": 3}, "untrained: expected dict, found 3"),
    ],
)
def test_wrong_content_is_named(fake, change: dict[str, object], message: str) -> None:
    path = fake.write_run(make_plan("table6").cells[0], 50.0, **change)
    with pytest.raises(DataError, match=message) as caught:
        read_record(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"format": 1}', "\udcff"])
def test_damaged_files_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=str(path)):
        read_record(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_record(tmp_path / "metrics.json")


def test_collect_finds_runs_by_hash_and_keeps_the_problems(fake) -> None:
    plan = make_plan("table6")
    paths = [fake.write_run(cell, 50.0) for cell in plan.cells]
    paths[1].write_text("{")
    records, problems = collect_runs([plan.out / "cells", plan.out / "nothing"])
    assert set(records) == {plan.cells[0].config_hash, plan.cells[2].config_hash}
    assert list(problems) == [plan.cells[1].folder]


def test_the_first_root_wins(fake) -> None:
    here, there = make_plan("table6", out=Path("a")), make_plan("table6", out=Path("b"))
    fake.write_run(here.cells[0], 50.0)
    fake.write_run(there.cells[0], 60.0)
    records, _ = collect_runs([there.out / "cells", here.out / "cells"])
    assert [record.test["average"] for record in records.values()] == [60.0]


def test_what_training_adds_later_does_no_harm(fake) -> None:
    path = fake.write_run(make_plan("table6").cells[0], 50.0)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"monitor": {"name": "x"}}))
    assert read_record(path).test["average"] == 50.0

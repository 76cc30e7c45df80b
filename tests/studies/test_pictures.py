"""Which two runs the report's figures show."""

from __future__ import annotations

from leap_avvp.studies.pictures import find_pair, run_pictures
from leap_avvp.studies.plan import make_plan
from leap_avvp.studies.spec import load_study
from leap_avvp.studies.sweep import inspect_plan
from leap_avvp.studies.tables import build_table


def table(fake, name: str):
    plan = make_plan(name)
    for cell in plan.cells:
        fake.write_run(cell, 50.0)
    return build_table(load_study(name), inspect_plan(plan)[0], "simulated")


def test_leap_and_mmil_on_the_same_encoder(fake) -> None:
    pair = find_pair([table(fake, "table6"), table(fake, "decoders")])
    assert pair is not None
    leap, mmil = (record.config for record in pair)
    assert leap["decoder"]["_target_"].endswith("LEAPDecoder")
    assert mmil["decoder"]["_target_"].endswith("MMILDecoder")
    assert leap["encoder"] == mmil["encoder"]
    assert leap["encoder"]["_target_"].endswith("MMPyramid")
    assert leap["loss"] == mmil["loss"], "Table 6's other weights are another comparison"


def test_no_pair_without_mmil(fake) -> None:
    assert find_pair([table(fake, "table6")]) is None


def test_runs_that_cannot_be_opened_leave_the_report_without_figures(fake) -> None:
    pair = find_pair([table(fake, "decoders")])
    assert pair is not None
    pictures, problem = run_pictures(pair)
    assert pictures == []
    assert "best.ckpt" in problem

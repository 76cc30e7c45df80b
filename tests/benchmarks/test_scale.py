"""What is calculated for a million clips follows from what was measured of a few."""

from __future__ import annotations

import pytest

from benchmarks.scale import Assumed, Line, break_even, fed, hours


def test_a_line_goes_through_both_measurements():
    line = Line.through((2, 10.0), (6, 18.0))
    assert line == Line(6.0, 2.0)
    assert [line.at(2), line.at(6), line.at(1_000_000)] == [10.0, 18.0, 2_000_006.0]


def test_what_is_not_seen_to_grow_does_not_shrink():
    assert Line.through((2, 10.0), (6, 9.0)) == Line(10.0, 0.0)


def test_numbers_that_are_one_give_no_line():
    with pytest.raises(ValueError, match="two numbers of clips"):
        Line.through((3, 10.0), (3, 11.0))


@pytest.mark.parametrize(
    ("workers", "clips", "seconds"),
    [(1, 100, 205.0), (2, 100, 105.0), (3, 100, 73.0), (200, 100, 7.0)],  # the fullest of three has 34
)
def test_workers_start_once_each_and_share_the_clips(workers, clips, seconds):
    assert hours(Line(5.0, 2.0), clips, workers) == pytest.approx(seconds / 3600)


def test_a_driver_keeps_up_with_as_many_workers_as_it_can_write_for():
    assert fed(worker_seconds=1.5, driver_seconds=0.01) == 150
    assert fed(worker_seconds=1.5, driver_seconds=0.04) == 37


def test_a_gpu_must_do_as_many_clips_an_hour_as_the_cores_of_its_price():
    cores = Assumed(core_hour=0.1, gpu_hour=3.0)  # 30 cores, each a clip in two seconds
    assert break_even(2.0, cores) == pytest.approx(15.0)


def test_a_driver_that_writes_more_slowly_than_all_workers_work_is_what_is_waited_for():
    work = Line(5.0, 2.0)
    assert hours(work, 100, 2, 0.1) == pytest.approx(105 / 3600)
    assert hours(work, 100, 100, 0.1) == pytest.approx((5 + 100 * 0.1) / 3600)

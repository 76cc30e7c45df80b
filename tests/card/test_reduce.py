"""Rows to segments: against torch's own bicubic interpolation and pooling, and against plain means."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from leap_avvp.card.reduce import file_rows, reduce_rows, row_weights

LENGTHS = [1, 3, 10, 60, 600]


@pytest.mark.parametrize("segments", LENGTHS)
def test_the_clap_map_is_read_as_valor_reads_it(segments: int) -> None:
    rows = np.random.default_rng(0).standard_normal((64, 5))
    grid = torch.from_numpy(rows).T.reshape(1, 5, 2, 32)
    fine = functional.interpolate(grid, (2, 1024), mode="bicubic", align_corners=False).mean(dim=2)
    expected = functional.adaptive_avg_pool1d(fine, segments)[0].T
    np.testing.assert_allclose(row_weights("clap_map", 64, segments) @ rows, expected, atol=1e-12)


@pytest.mark.parametrize("segments", LENGTHS)
def test_a_linear_layer_may_stand_between_the_steps(segments: int) -> None:
    """VALOR's program has one behind the interpolation: weights that sum to 1 leave its bias alone."""
    for reduce, rows in (("clap_map", 64), ("pool", 64), ("mean", 4 * segments), ("segment", segments)):
        np.testing.assert_allclose(row_weights(reduce, rows, segments).sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize(("rows", "segments"), [(64, 10), (7, 10), (10, 10), (600, 7), (1, 5)])
def test_pooling_is_torchs(rows: int, segments: int) -> None:
    values = np.random.default_rng(1).standard_normal((rows, 3)).astype(np.float32)
    expected = functional.adaptive_avg_pool1d(torch.from_numpy(values).T[None], segments)[0].T
    np.testing.assert_allclose(reduce_rows(values, "pool", segments), expected, atol=1e-6)


def test_means_and_segments() -> None:
    values = np.arange(24, dtype=np.float32).reshape(12, 2)
    assert reduce_rows(values, "segment", 12) is values
    expected = [np.mean(values[3 * place : 3 * place + 3], axis=0) for place in range(4)]
    np.testing.assert_array_equal(reduce_rows(values, "mean", 4), expected)
    np.testing.assert_allclose(row_weights("mean", 12, 4) @ values, expected, atol=1e-6)


@pytest.mark.parametrize(("reduce", "rows"), [("segment", 9), ("mean", 25), ("clap_map", 32)])
def test_rows_that_do_not_fit_are_refused(reduce: str, rows: int) -> None:
    with pytest.raises(ValueError, match="rows"):
        reduce_rows(np.zeros((rows, 2), np.float32), reduce, 10)


@pytest.mark.parametrize(
    ("rows", "number"), [("T", 10), ("8T", 80), ("64", 64), ("any", None), ("1T", 10), ("999T", 9990)]
)
def test_rows_of_a_file(rows: str, number: int | None) -> None:
    assert file_rows(rows, 10) == number


@pytest.mark.parametrize("rows", ["T8", "-1", "0", "0T", "1.5T", "tT", "99999"])
def test_what_is_no_number_of_rows(rows: str) -> None:
    with pytest.raises(ValueError, match=rows):
        file_rows(rows, 10)

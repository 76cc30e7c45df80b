"""Parameters and multiply-adds by part, held to counts by hand and to what is published."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from leap_avvp.cli import main
from leap_avvp.models import LabelQueries, LEAPDecoder, MMPyramid, VideoParser
from leap_avvp.studies.complexity import complexity_parts, complexity_report
from leap_avvp.studies.operations import multiply_adds
from leap_avvp.studies.spec import load_study


@pytest.fixture(scope="module")
def parts():
    return {part.name: part for part in complexity_parts(turns=1)}


def test_the_counter_counts_multiply_adds() -> None:
    layer, x = nn.Linear(7, 5), torch.zeros(3, 7)
    assert multiply_adds(lambda: layer(x)) == 3 * 7 * 5


def test_parts_by_hand(parts) -> None:
    d, t, c = 512, 10, 25
    front = t * (128 * d + 2048 * d + 512 * d + 2 * d * d)
    assert parts["front end"].ours == front
    assert parts["front end"].released == front + 70 * 2048 * d
    assert parts["label projection"].ours == c * 300 * d
    # A block: query and output of 25 labels, key and value of 10 segments, two products, two layers behind. And the
    # scores of the last block: one product with the queries' projection, which is moved to the keys, and one with
    # these. The released program projects the queries, and makes the keys once more.
    block = 2 * c * d * d + 2 * t * d * d + 2 * c * t * d + 2 * c * d * d
    assert parts["LEAP blocks"].ours == 2 * (2 * block + t * d * d + c * t * d)
    assert parts["LEAP blocks"].read == 2 * (2 * block + c * d * d + c * t * d) + 2 * t * d * d
    attention = 2 * c * d * d + 2 * t * d * d + 2 * c * t * d
    assert parts["LEAP blocks"].released == 4 * (block + attention)
    assert parts["LEAP blocks"].norms == 5 * 2 * (2 * c * d + c * d + c * d)


def test_parameters_are_those_of_the_model(parts) -> None:
    parser = VideoParser(MMPyramid(), LEAPDecoder(LabelQueries(torch.zeros(25, 300))))
    assert sum(part.parameters for part in parts.values()) == sum(p.numel() for p in parser.parameters())
    assert sum(part.parameters + part.dead for part in parts.values()) == 52_005_380
    assert parts["LEAP blocks"].dead == 1_576_960 + 4 * 2 * 512


def test_the_published_figures_come_out(parts) -> None:
    published = load_study("complexity").rows[0].published
    blocks = parts["LEAP blocks"]
    assert round(sum(p.parameters + p.dead for p in parts.values()) / 1e6, 2) == published["parameters"]
    assert round((blocks.parameters + blocks.dead) / 1e6, 2) == published["leap_parameters"]
    assert round(sum(p.read + p.norms for p in parts.values()) / 1e6) == published["flops"]
    assert round((blocks.read + blocks.norms) / 1e6) == published["leap_flops"]


def test_published_figures_equal_the_design_page() -> None:
    page = Path(__file__).parents[3] / "shared" / "design" / "method.md"
    if not page.is_file():
        pytest.skip("the design page is not part of a checkout")
    line = re.search(
        r"^Complexity: ([\d.]+) M .*?, ([\d.]+) M .*?; (\d+) M .*?, (\d+) M", page.read_text(), re.MULTILINE
    )
    assert line
    assert [float(number) for number in line.groups()] == list(load_study("complexity").rows[0].published.values())


def test_memory_and_report(parts) -> None:
    for part in parts.values():
        assert part.latency_ms > 0
        assert part.kept_bytes < 30e6, "weights are not counted"
    assert parts["encoder"].kept_bytes > 1e6
    rows, lines = complexity_report(list(parts.values()))
    assert [row[0] for row in rows] == ["front end", "encoder", "label projection", "LEAP blocks", "all"]
    assert lines[0].startswith("published: parameters 52.01 M")


@pytest.mark.slow
def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "complexity", "--out", str(tmp_path)]) == 0
    assert "LEAP blocks" in (tmp_path / "complexity.md").read_text()
    assert (tmp_path / "complexity.csv").read_text().count("\n") == 6

"""The published figures: they equal the design page's, contradict themselves where they do, and mistakes are named."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from leap_avvp.card.features import known_features
from leap_avvp.cli import main
from leap_avvp.errors import ConfigError
from leap_avvp.studies import load_study, study_names
from leap_avvp.studies.published import load_published, parse_published, published_of, read_published
from leap_avvp.studies.published_text import COMPARE

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY.parent / "shared" / "design" / "peers.md"
TEXT = (REPOSITORY / "experiments" / "published.yaml").read_text()
TRUST = {"abstract": "A", "unverified": "A", "note": "P"}


def table_of(section: str) -> dict[str, list[list[str]]]:
    """Return the cells of the page's rows by system."""
    if not PAGE.is_file():
        pytest.skip("the design page is not part of a checkout")
    rows: dict[str, list[list[str]]] = {}
    for line in PAGE.read_text().split(f"\n### {section} ", 1)[1].split("\n###", 1)[0].splitlines():
        if line.startswith("|") and not line.startswith(("| system", "| ---")):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            name = re.sub(r"\*\*|\([^)]*\)|†", "", cells[0]).split("→")[0].split(",")[0].strip()
            rows.setdefault(name, []).append(cells)
    return rows


def figures(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+\.\d(?!\d)", text)]


@pytest.mark.parametrize("section", ["1.2", "1.3"])
def test_every_row_and_figure_equals_the_design_page(section: str) -> None:
    page = table_of(section)
    ours = [row for row in load_published() if (row.features == "llp") == (section == "1.2")]
    assert {row.system for row in ours} == set(page), "none missing, none extra"
    for system, cells in page.items():
        rows = [row for row in ours if row.system == system and row.variant != "as NREP prints it"]
        # The numbers' cell is the last but one: Millions of parameters and what another table adds are no scores.
        said = [re.sub(r"\(\[N\][^)]*\)|[\d.]+ M params", "", one[-2]).replace("*", "") for one in cells]
        expected = [number for one in said for number in figures(one)]
        found = [number for row in rows for number in (*row.numbers.values(), *sum(row.other.values(), ()))]
        assert found == expected, system
        tags = {tag for one in cells for tag in re.findall(r"\[([A-Z])\]", one[-1])}
        assert tags <= {tag for row in rows for tag in row.sources}, system


def test_the_columns_that_are_no_figures_name_what_the_page_names() -> None:
    for section, place in (("1.2", 2), ("1.3", 2)):
        for system, cells in table_of(section).items():
            row = published_of(system)[0]
            for one in cells:
                repository = re.match(r"[\w.-]+/[\w.…-]+", one[place].replace("GeWu-Lab/Crab,", "GeWu-Lab/Crab"))
                assert not repository or (row.repository or "").startswith(repository[0]), system
                year = re.search(r"\b20\d\d\b|(?<=[A-Z])\d\d\b", one[1])
                assert not year or str(row.year).endswith(year[0][-2:]) or system in ("VPLAN", "Crab / Crab+"), system


def test_vplans_other_printing_is_that_of_the_page() -> None:
    if not PAGE.is_file():
        pytest.skip("the design page is not part of a checkout")
    found = re.search(r"\((\d+\.\d)/(\d+\.\d)/… in \[U\], (\d+\.\d)/(\d+\.\d)/… in \[N\]\)", PAGE.read_text())
    assert found
    first, other = published_of("vaplan")
    both = [row.numbers[key] for row in (first, other) for key in ("segment/audio", "segment/visual")]
    assert both == list(map(float, found.groups()))
    assert other.average is None


def test_audible_and_visible_only_equal_the_design_page() -> None:
    if not PAGE.is_file():
        pytest.skip("the design page is not part of a checkout")
    (said,) = re.findall(r"segment Ao/Vo \| event\): (.*)", PAGE.read_text())
    page = {one.split()[0]: figures(one) for one in said.split(";")}
    assert {row.system: list(row.only.values()) for row in load_published() if row.only} == page


def test_these_rows_contradict_themselves() -> None:
    found = {
        (row.system, one.level): (one.printed, round(one.parts, 1))
        for row in load_published()
        for one in row.contradictions()
    }
    assert found == {
        ("MM-Pyramid", "segment"): (59.7, 59.1),
        ("MM-Pyramid", "event"): (54.1, 53.3),
        ("MA", "segment"): (58.9, 58.5),
        ("PPL", "event"): (59.9, 58.6),
        ("CoLeaF", "event"): (57.9, 58.3),
    }


def test_leaps_row_is_the_one_of_table_6() -> None:
    (row,) = (row for row in published_of("leap") if "λ = 1" in row.variant)
    (one,) = (row for row in load_study("table6").rows if row.label == "λ = 1")
    assert {**row.numbers, "average": round(row.average or 0, 1)} == dict(one.published)


def test_words_are_those_of_the_configs_where_they_are_the_same() -> None:
    table = read_published()
    assert set(known_features()) - set(table.features) == {"embedded"}
    ours = {path.stem for path in (REPOSITORY / "conf" / "protocol").glob("*.yaml")}
    assert {"union", "strict", "per_modality", "mixed", "coleaf", "nrep"} <= ours & set(table.protocols)
    assert {row.protocol for row in published_of("UWAV")} == {"strict"}
    assert [row.protocol for name in ("MM-CSE", "JoMoLD", "VALOR") for row in published_of(name)] == [
        *("mixed", "per_modality", "union")
    ]
    assert {row.annotations for row in table.rows if row.numbers and row.features != "open_vocabulary"} == {"old"}
    assert published_of("Lasso")[0].videos == 1108


def test_it_is_no_study() -> None:
    assert "published" not in study_names(runs_only=False)
    with pytest.raises(ConfigError, match="study: expected one of"):
        load_study("published")


def test_an_unknown_system_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'JoMoLD'"):
        published_of("JoMoLDs")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("numbers: [49.9, 37.3,", "numbers: [49.9,"), r"rows\[0\] \(AVE\).numbers: expected 10 numbers in the order"),
        (("numbers: [49.9,", "numbers: [499,"), r"\(AVE\).numbers: expected numbers from 0 to 100 .* found 499"),
        (("numbers: [49.9,", "numbers: [null,"), r"\(AVE\).note: expected why figures are missing"),
        (("protocol: union", "protocol: unoin"), r"\(HAN\).protocol: .* did you mean 'union'"),
        (("features: uwav", "features: uvaw"), r"\(UWAV\).features: .* did you mean 'uwav'"),
        (("sources: [J]", "sources: [X]"), r"\(AVE\).sources: expected one of U, N"),
        (("sources: [J]", "sources: []"), r"\(AVE\).sources: expected where the figures were read"),
        (("year: 2018", "year: 18"), r"\(AVE\).year: expected a year, found 18"),
        (("videos: 1108", "videos: 0"), r"videos: expected a number from 1 to 1,200"),
        (("licence: none", "license: none"), "rows.0.: key: .* did you mean 'licence'"),
        (("variant: + MA, ", ""), "expected one row of this name; tell a second by `variant`"),
        (("trust: read", "trust: red"), "sources.U.trust: .* did you mean 'read'"),
        (("rows:", "rows: {"), "published.yaml: not valid YAML"),
        (("protocols:", "protocol:"), "did you mean 'protocols'"),
    ],
)
def test_mistakes_are_named(change: tuple[str, str], message: str) -> None:
    assert change[0] in TEXT
    with pytest.raises(ConfigError, match=message) as error:
        parse_published(TEXT.replace(*change, 1))
    assert "\n" not in str(error.value)


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Return what the command prints, as lines, at a width."""

    def run(*words: str, width: int = 80) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        capsys.readouterr()
        assert main(["published", *words]) == 0
        return capsys.readouterr().out.splitlines()

    return run


@pytest.mark.parametrize("width", [60, 80, 119, 120, 160])
def test_it_fits_the_terminal_and_shows_every_row(shown, width: int) -> None:
    lines = shown(width=width)
    # A title may say more than the width of the narrowest.
    assert max(len(line) for line in lines if not line.startswith("---")) <= max(80, width)
    text = " ".join(" ".join(lines).split())
    for row in load_published():
        assert row.system.split()[0] in text, row.name
    assert text.startswith(COMPARE)
    assert ("year and venue; needs" in text) == (width >= 120)


def test_groups_and_contradictions(shown) -> None:
    lines = shown("--features", "std", "--protocol", "union")
    start = lines.index("--- features llp, protocol union, annotations old")
    group = lines[start + 1 : lines.index("", start)]
    assert [line.split()[0] for line in group if not line.startswith(" ")] == [
        "LEAP",
        "LEAP",
        "VALOR",
        "MM-Pyramid",
        "HAN",
    ]
    assert sum(line.startswith("---") for line in lines) == 1
    (row,) = (line for line in lines if line.startswith("MM-Pyramid "))
    assert row.split()[4] == "59.7¹"
    assert "¹ MM-Pyramid: segment Type 59.7 is printed, its A, V and AV give 59.1" in lines
    by_audio = shown("--features", "llp", "--protocol", "unknown", "--sort", "segment/audio")
    values = [float(line[18:22]) for line in by_audio if re.match(r"[A-Z].{17}\d\d\.\d ", line)]
    assert values == sorted(values, reverse=True)
    assert len(values) == 11


def test_rows_without_the_metric_come_last(shown) -> None:
    lines = shown("--features", "llp", "--protocol", "unknown")
    names = [line[:18].strip() for line in lines if re.match(r"[A-Z].{17}\d\d\.\d ", line)]
    assert names[-1].startswith("VPLAN (as NREP")


def test_files_hold_every_row_and_its_contradictions(shown, tmp_path: Path) -> None:
    assert shown("--json", str(tmp_path / "all.json")) == [f"{tmp_path / 'all.json'}: {len(load_published())} rows"]
    content = json.loads((tmp_path / "all.json").read_text())
    assert {(row["system"], row["variant"]) for row in content["rows"]} == {
        (row.system, row.variant) for row in load_published()
    }
    (ppl,) = (row for row in content["rows"] if row["system"] == "PPL")
    assert ppl["contradictions"] == [{"level": "event", "printed": 59.9, "parts_give": 58.63}]
    shown("--csv", str(tmp_path / "some.csv"), "--features", "llp")
    rows = list(csv.DictReader((tmp_path / "some.csv").read_text().splitlines()))
    assert len(rows) == sum(row.features == "llp" for row in load_published())
    (ma,) = (row for row in rows if row["system"] == "MA")
    assert (ma["segment/type_av"], ma["segment/type_av_of_parts"], ma["event/type_av_of_parts"]) == (
        "58.9",
        "58.47",
        "",
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--features", "valour"), "did you mean 'valor'"),
        (("--protocol", "tunde"), "did you mean 'tuned'"),
        (("--sort", "segment/type"), "did you mean 'segment/type_av'"),
        (("--features", "valor", "--protocol", "strict"), "expected one that a row of features valor has (mixed, nrep"),
    ],
)
def test_words_that_are_not_known_are_one_line(words, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["published", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1

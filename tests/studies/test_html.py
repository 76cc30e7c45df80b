"""The page of all studies: what it shows is escaped, complete and needs nothing beside it."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

from leap_avvp.studies.html import Chapter, page
from leap_avvp.studies.plan import make_plan
from leap_avvp.studies.spec import load_study
from leap_avvp.studies.sweep import inspect_plan
from leap_avvp.studies.tables import build_table

VOID = ("meta", "img")


class Reader(HTMLParser):
    """Reads a page strictly: every element is closed in its turn; the cells of each table row, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self.targets: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs) -> None:
        self.targets += [value for key, value in attrs if key in ("href", "src", "id")]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.words.append(data.strip())
        if self.open and self.open[-1] in ("th", "td"):
            self.rows[-1][-1] += data.strip()


def table(fake):
    plan = make_plan("table6", seeds=[0, 1])
    for cell in plan.cells:
        fake.write_run(cell, 50.0 + 2 * cell.seed)
    return build_table(load_study("table6"), inspect_plan(plan)[0], "simulated")


def test_a_page_shows_numbers_warning_notes_and_plot_of_a_study(fake) -> None:
    found = table(fake)
    reader = Reader(page("All", None, ["a fact"], [Chapter(found.study.title, found, [("plot", b"png")])]))
    head, published, measured, *_ = reader.rows
    assert head[2:5] == ["Segment A", "Segment V", "Segment AV"]
    assert len(head) == len(published) == len(measured) == 2 + len(found.study.columns)
    assert (published[1], measured[1]) == ("published", "SIMULATED, 2 seeds")
    assert measured[-1] == "51.0 ±1.4"
    for words in ("a fact", found.warning, found.study.notes[0], "epochs: 4, best: 3"):
        assert words in reader.words
    image = f"data:image/png;base64,{base64.b64encode(b'png').decode()}"
    assert reader.targets == ["#study-0", "study-0", image], "nothing is fetched"


def test_a_study_without_runs_shows_its_rows_and_lines() -> None:
    rows = [["part", "M"], ["all", "5"]]
    reader = Reader(page("All", None, [], [Chapter("Complexity", rows=rows, lines=["as published"])]))
    assert reader.rows == rows
    assert "as published" in reader.words


def test_a_page_escapes_what_it_shows() -> None:
    rows = [["<em>"], ["<td>"]]
    found = page("<script>", "a & b", ["<b>"], [Chapter("<i>", plots=[('"x', b"")], rows=rows, lines=["<u>"])])
    for tag in ("<script>", "<b>", "<i>", "<u>", "<em>"):
        assert tag not in found
    assert "a &amp; b" in found
    assert "&lt;b&gt;" in found
    assert Reader(found).rows == rows

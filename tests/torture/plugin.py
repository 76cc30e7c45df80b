"""Counts what ``make torture`` tried, and writes the table of ``docs/reliability.md`` between its two marks."""

from __future__ import annotations

import collections
import json
import os
import platform
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- counts: written by `make torture` -->", "<!-- end of counts -->"

_PASSING = re.compile(r"(\d+) passing\b")


class Counter:
    """Collects the reports of all workers."""

    def __init__(self) -> None:
        self.promises: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
        self.files: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        self.began = time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take one phase of one test."""
        name = report.nodeid.split("::")[0]
        if report.when == "call" or (report.when == "setup" and report.outcome != "passed"):
            self.files[name][report.outcome] += 1
        if report.when == "call" and report.outcome == "passed":
            for key, value in report.user_properties:
                if key == "promise":
                    content = json.loads(str(value))
                    self.promises[content["name"]].append(content | {"file": name})
        for key, value in report.user_properties:
            if key == "drawn" and report.when == "teardown":
                self.files[name]["drawn"] += sum(int(number) for number in _PASSING.findall(str(value)))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the table; a run with failures writes none."""
        if exitstatus != 0 or hasattr(session.config, "workerinput"):
            return
        text = DOCUMENT.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        whole = f"{before}{BEGIN}\n\n{self.table()}\n{END}{after}"
        part = DOCUMENT.with_suffix(".part")
        part.write_text(whole, encoding="utf-8")
        part.replace(DOCUMENT)

    def table(self) -> str:
        """Return both tables as Markdown."""
        import lightning
        import torch

        minutes = (time.monotonic() - self.began) / 60
        lines = [
            f"A run of `make torture` in {minutes:.0f} minutes: {os.cpu_count()} cores, {platform.system()}, Python "
            f"{platform.python_version()}, torch {torch.__version__}, lightning {lightning.__version__}; no failure.",
            "",
            "| promise | trials | what was seen | test |",
            "| --- | ---: | --- | --- |",
        ]
        for name, records in self.promises.items():
            total = sum(record["trials"] for record in records)
            lines.append(f"| {name} | {total:,} | {_facts(records)} | `{records[0]['file']}` |")
        lines += [
            "",
            "| other tests | tests | cases drawn in them | skipped |",
            "| --- | ---: | ---: | ---: |",
        ]
        for name, counts in sorted(self.files.items()):
            if "/torture/" not in name:
                lines.append(f"| `{name}` | {counts['passed']} | {counts['drawn']:,} | {counts['skipped']} |")
        return "\n".join(lines) + "\n"


def _facts(records: list[dict[str, Any]]) -> str:
    """Return the facts of all trials: each value with how often it was seen."""
    seen: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for record in records:
        for key, value in record["facts"].items():
            for each in value if isinstance(value, list) and key == "killed" else [value]:
                seen[key.replace("_", " ")][str(each)] += 1
    parts = []
    for key, counts in seen.items():
        values = [value if count == 1 else f"{value} ({count}x)" for value, count in sorted(counts.items())]
        parts.append(f"{key}: {', '.join(values)}")
    return "; ".join(parts)


def pytest_configure(config: pytest.Config) -> None:
    """Join in, in the process that hears of all tests."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Counter(), "leap-avvp-torture-counter")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Send what hypothesis has drawn with the report: it does so itself only where there is a terminal."""
    report = (yield).get_result()  # type: ignore[misc]
    if call.when == "teardown" and hasattr(item, "hypothesis_statistics"):
        report.user_properties.append(("drawn", item.hypothesis_statistics))

"""Lists the licence of everything that leap-avvp runs with: ``python -m tests.packaging.licences`` writes the page."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

PAGE = Path(__file__).parents[2] / "docs" / "licences.md"
_HEAD = """# Licences of what it runs with

leap-avvp itself is under the MIT licence. Below are the packages of `constraints.txt` that `pip install leap-avvp`
brings and that its extras `tensorboard` and `launchers` add, with what each says of itself. Written by
`python -m tests.packaging.licences`; the tests' own tools are left out.

| package | version | licence |
| --- | --- | --- |
"""


def closure(name: str = "leap-avvp", extras: tuple[str, ...] = ("tensorboard", "launchers")) -> dict[str, Distribution]:
    """Return every package that a package needs here, by name."""
    found: dict[str, Distribution] = {}
    open_ends = [(name, extras)]
    while open_ends:
        package, wanted = open_ends.pop()
        try:
            there = distribution(package)
        except PackageNotFoundError:
            continue  # of another platform
        for text in there.requires or ():
            need = Requirement(text)
            environments = [{"extra": extra} for extra in ("", *wanted)]
            if need.marker is not None and not any(need.marker.evaluate(each) for each in environments):
                continue
            key = re.sub(r"[-_.]+", "-", need.name).lower()
            if key not in found and key != name:
                open_ends.append((key, tuple(need.extras)))
                try:
                    found[key] = distribution(key)
                except PackageNotFoundError:
                    continue
    return dict(sorted(found.items()))


def licence(package: Distribution) -> str:
    """Return what a package says of its licence: the expression, the classifiers or the first line of the text."""
    facts = package.metadata
    expression = facts.get("License-Expression")
    if expression:
        return str(expression)
    classes = [text.split(" :: ")[-1] for text in facts.get_all("Classifier") or () if text.startswith("License :: ")]
    named = [text for text in classes if text != "OSI Approved"]
    if named:
        return ", ".join(named)
    lines = (facts.get("License") or "").strip().splitlines()
    return lines[0][:60] if lines else "not stated"


def page() -> str:
    """Return the whole page."""
    rows = [
        f"| {name} | {package.version.partition('+')[0]} | {licence(package)} |" for name, package in closure().items()
    ]
    return _HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: {PAGE}")

"""Version ranges and licences: what is pinned, what is lowest, and what is listed belong together."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.packaging.licences import PAGE, closure, licence

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
RUNTIME = [Requirement(text) for text in PROJECT["dependencies"] + EXTRAS["tensorboard"] + EXTRAS["launchers"]]
# Of what it runs with: use, change and pass on, in any product.
PERMISSIVE = (
    r"MIT|BSD|Apache|Python Software Foundation|PSF|ISC|Mozilla Public License 2\.0|MPL-2\.0|Unlicense|Zlib|HPND"
)


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.lower().split("==") for line in lines if "==" in line and not line.startswith("#"))


@pytest.mark.parametrize("need", RUNTIME, ids=lambda need: need.name)
def test_the_lowest_version_is_the_one_of_the_range(need: Requirement) -> None:
    (low,) = (each.version for each in need.specifier if each.operator == ">=")
    assert Version(pins("constraints-lowest.txt")[need.name]) == Version(low)


@pytest.mark.parametrize("need", RUNTIME, ids=lambda need: need.name)
def test_the_pinned_version_is_in_the_range(need: Requirement) -> None:
    assert need.specifier.contains(pins("constraints.txt")[need.name])


def test_the_page_lists_what_is_needed_with_its_licence() -> None:
    text = PAGE.read_text()
    _, _, *rows = re.findall(r"^\| (\S+) \| \S+ \| (.+) \|$", text, flags=re.MULTILINE)
    listed = dict(rows)
    assert {re.sub(r"[-_.]+", "-", need.name).lower() for need in RUNTIME} <= set(listed)
    for name, said in listed.items():
        assert re.search(PERMISSIVE, said), f"{name}: {said}"


def test_what_is_installed_is_permissive_too() -> None:
    # CUDA's own libraries come with a GPU build of torch, from its maker and under its terms.
    found = {name: licence(package) for name, package in closure().items() if not name.startswith(("nvidia-", "cuda-"))}
    assert {"torch", "lightning", "numpy"} <= set(found)
    assert {name: said for name, said in found.items() if not re.search(PERMISSIVE, said)} == {}


@pytest.mark.parametrize(
    "page", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda page: page.name
)
def test_a_page_names_tests_and_files_that_are_there(page: Path) -> None:
    text = page.read_text()
    named = set(re.findall(r"`((?:tests|conf|docs|benchmarks|experiments)/[\w./-]*)`", text))
    named |= {
        f"{page.parent.relative_to(ROOT)}/{link}" for link in re.findall(r"\]\((\w[\w./-]*)\)", text) if ":" not in link
    }
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
    functions = set(re.findall(r"`(test_\w+)`", text))
    written = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in sorted(functions) if f"def {name}(" not in written] == []

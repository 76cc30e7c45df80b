"""Makefile, constraints, citation and CI script agree with the package that they are for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import leap_avvp

REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
MAKEFILE = (REPOSITORY / "Makefile").read_text()

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*words: str) -> str:
    # `make test` hands its own flags and variables down; they are not those of this make.
    ours = re.compile(r"M(AKE|FLAGS).*|ARGS|DATA|SEEDS|OUT|WORKERS")
    env = {name: value for name, value in os.environ.items() if not ours.fullmatch(name)}
    done = subprocess.run(["make", *words], cwd=REPOSITORY, env=env, capture_output=True, text=True, check=True)
    return done.stdout


def pins() -> dict[str, str]:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(text) for text in [*PROJECT["dependencies"], *(text for extra in extras for text in extra)]]


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_requirement_is_pinned_within_its_range(requirement: Requirement) -> None:
    version = pins()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version), f"{requirement} and constraints.txt: {version}"


def test_pins_name_no_build_of_one_machine() -> None:
    assert not [name for name, version in pins().items() if "+" in version]


def test_the_version_is_told_once_everywhere() -> None:
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert PROJECT["version"] == leap_avvp.__version__ == citation["version"]


def test_the_makefile_installs_the_pinned_torch() -> None:
    assert f"TORCH ?= torch=={pins()['torch']}\n" in MAKEFILE


@needs_make
def test_make_alone_lists_every_target() -> None:
    (line,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, flags=re.MULTILINE)
    listed = re.findall(r"^make (\S+) +\S", make(), flags=re.MULTILINE)
    assert listed == line.split()


@needs_make
def test_make_passes_its_variables_on() -> None:
    planned = make("-n", "reproduce-table6", "DATA=/my data", "SEEDS=0,1", "OUT=here", "ARGS=trainer.max_epochs=1")
    last = planned.splitlines()[-1]
    assert last.endswith('reproduce table6 trainer.max_epochs=1 --data "/my data" --seeds 0,1 --out "here"')
    assert make("-n", "reproduce-table6").rstrip().endswith("reproduce table6")


def test_ci_runs_lint_and_the_tests_from_anywhere() -> None:
    script = REPOSITORY / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    lines = script.read_text().splitlines()
    assert [line.partition("#")[0].strip() for line in lines[-3:]] == ["make lint", "make test-tools", "make test"]
    assert 'cd "$(dirname "${BASH_SOURCE[0]}")/.."' in lines

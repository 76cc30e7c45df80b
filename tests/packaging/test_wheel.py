"""The wheel, installed where the repository is not: every config, every study and the command are in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]

COMPOSE_ALL = """
import importlib.resources
import json
import leap_avvp
from leap_avvp.config.compose import compose_config, plain
from leap_avvp.config.groups import config_groups, launchers
from leap_avvp.config.hashing import config_hash

NEEDED = {"train": ["data.root=/nowhere"], "evaluate": ["checkpoint=best.ckpt"]}
composed = {}
for name, needed in NEEDED.items():
    for group, options in config_groups(name).items():
        for option in options:
            extra = needed if name == "evaluate" or (group, option) == ("data", "llp") else []
            config = compose_config([f"{group}={option}", *extra, "output_dir=null"], name)
            composed[f"{name}: {group}/{option}"] = config_hash(plain(config))
for launcher in launchers():
    compose_config([f"hydra/launcher={launcher}", "hydra.sweep.dir=x"], hydra=True)
def files(folder, path=""):
    for each in folder.iterdir():
        if each.is_dir():
            yield from files(each, f"{path}{each.name}/")
        elif each.name.endswith(".yaml"):
            yield path + each.name.removesuffix(".yaml")

found = {"composed": composed, "launchers": launchers()}
found["files"] = list(files(importlib.resources.files("leap_avvp.conf")))
print(json.dumps({"package": leap_avvp.__file__, **found}))
"""


def _clean_environment() -> dict[str, str]:
    """Return our environment without what could lead Python back to the repository."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV", "COVERAGE"))}


def _run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=_clean_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the files that Git knows or would add."""
    folder = tmp_path_factory.mktemp("wheel")
    names = _run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=REPOSITORY).split("\0")
    for name in filter(None, names):
        if (REPOSITORY / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / "source" / name)
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, folder / "source", cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone into an empty environment that borrows our dependencies; return its bin folder."""
    root = tmp_path_factory.mktemp("environment")
    venv.create(root, with_pip=False, symlinks=True)
    python = root / "bin" / "python"
    _run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index", "--no-deps", wheel, cwd=root)
    packages = Path(_run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=root).strip())
    # A folder that a .pth file names is searched last and its own .pth files are not read: the editable install of the
    # repository, if any, stays out of sight.
    lent = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    (packages / "lent.pth").write_text("".join(f"{path}\n" for path in lent))
    return root / "bin"


def test_wheel_carries_every_yaml_and_the_type_marker(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = {f"leap_avvp/{path.relative_to(REPOSITORY).as_posix()}" for path in (REPOSITORY / "conf").rglob("*.yaml")}
    wanted |= {f"leap_avvp/experiments/{path.name}" for path in (REPOSITORY / "experiments").glob("*.yaml")}
    source = REPOSITORY / "src" / "leap_avvp"
    data = ("*.py", "*.yaml", "*.html", "*.css", "*.js")
    wanted |= {f"leap_avvp/{path.relative_to(source).as_posix()}" for kind in data for path in source.rglob(kind)}
    assert len(wanted) > 30
    assert not (wanted | {"leap_avvp/py.typed", "leap_avvp/studies/page.html"}) - names
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"leap_avvp"}


def test_every_config_composes_far_from_the_repository(installed: Path, tmp_path: Path) -> None:
    found = json.loads(_run(installed / "python", "-c", COMPOSE_ALL, cwd=tmp_path))
    assert Path(found["package"]).is_relative_to(installed.parent)
    options = {name.partition(": ")[2] for name in found["composed"]}
    conf = REPOSITORY / "conf"
    files = {path.relative_to(conf).with_suffix("").as_posix() for path in conf.rglob("*.yaml")}
    assert set(found["files"]) == files
    launchers = {name for name in files if name.startswith("hydra/")}
    assert options == {name for name in files if name.count("/") == 1} - launchers  # others are chosen by a system
    assert {f"hydra/launcher/{name}" for name in found["launchers"]} == launchers


def test_the_command_works_far_from_the_repository(installed: Path, tmp_path: Path) -> None:
    command = installed / "leap-avvp"
    assert "reproduce" in _run(command, "--help", cwd=tmp_path)
    assert "table6" in _run(command, "reproduce", "list", cwd=tmp_path)
    planned = _run(command, "reproduce", "table6", "--dry-run", cwd=tmp_path)
    assert planned.count("$ leap-avvp train") == 3
    assert list(tmp_path.iterdir()) == []

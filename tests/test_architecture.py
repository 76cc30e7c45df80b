"""The rooms of the package and their floors: imports run one way, files stay short, names are declared."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "leap_avvp"
MODULES = sorted(SOURCE.rglob("*.py"))

# From the ground up. A room imports from lower floors and, on a floor that is a list, from the rooms before it there.
FLOORS: tuple[list[str] | set[str], ...] = (
    ["", "errors", "llp", "types", "files", "card"],
    {"data", "losses", "media", "metrics", "models"},  # parts: they do not know one another
    ["config"],
    ["scoring", "tracking", "training"],
    ["released", "inference", "figures", "timeline", "studies"],
    ["cli", "__main__"],
)
MOST_AT_THE_TOP = 8
# The package itself stands on the ground, and hands these rooms out: imported when a name of theirs is first used.
FRONT_DOOR = ("leap_avvp.inference",)
# Where a config is still a config; everything else is plain Python that a notebook can use.
HYDRA = ("config", "cli.hydra_app", "studies.plan")
MAX_LINES = 320


def breaks(importer: str, imported: str) -> bool:
    """Say whether a room may not import another."""
    if importer == imported:
        return False
    here, there = (next(n for n, floor in enumerate(FLOORS) if name in floor) for name in (importer, imported))
    floor = FLOORS[here]
    return there > here or (there == here and (isinstance(floor, set) or floor.index(imported) > floor.index(importer)))


def module_name(path: Path) -> str:
    """Return the dotted name below the package: ``studies.plan``; a package's ``__init__`` is the package."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(name: str) -> str:
    """Return the first part of a module's name below the package."""
    return name.removeprefix("leap_avvp").lstrip(".").partition(".")[0]


def imports(path: Path) -> Iterator[str]:
    """Yield the absolute name of everything that a module imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:  # `from leap_avvp import studies` imports leap_avvp.studies
                full = f"{node.module}.{alias.name}"
                yield full if is_module(full) else str(node.module)


def is_module(name: str) -> bool:
    if not name.startswith("leap_avvp."):
        return False
    place = SOURCE.joinpath(*name.split(".")[1:])
    return place.is_dir() or place.with_suffix(".py").is_file()


def upward(importer: str, imported: list[str]) -> list[str]:
    """Return the names of the package that a module may not import."""
    own = [name for name in imported if name == "leap_avvp" or name.startswith("leap_avvp.")]
    own = [name for name in own if importer or name not in FRONT_DOOR]
    return [name for name in own if breaks(room(importer), room(name))]


def of_hydra(importer: str, imported: list[str]) -> list[str]:
    """Return what a module imports of Hydra and OmegaConf where no config should be."""
    if any(importer == name or importer.startswith(f"{name}.") for name in HYDRA):
        return []
    return [name for name in imported if name.partition(".")[0] in ("hydra", "omegaconf")]


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_every_module_has_a_floor(path: Path) -> None:
    assert any(room(module_name(path)) in floor for floor in FLOORS), "say in FLOORS where it belongs"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_run_one_way(path: Path) -> None:
    assert upward(module_name(path), list(imports(path))) == []


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_hydra_stays_where_configs_are_composed(path: Path) -> None:
    assert of_hydra(module_name(path), list(imports(path))) == []


def test_few_modules_lie_at_the_top() -> None:
    top = [path.name for path in SOURCE.glob("*.py") if not path.name.startswith("__")]
    assert len(top) <= MOST_AT_THE_TOP, f"{top}: which room is each one's?"


def test_the_rules_can_fail() -> None:
    assert upward("training.run", ["leap_avvp.studies.plan", "torch"]) == ["leap_avvp.studies.plan"]
    assert upward("config.build", ["leap_avvp.training.module"]) == ["leap_avvp.training.module"]
    assert breaks("data", "models")
    assert breaks("metrics", "training")
    assert breaks("figures", "studies")
    assert breaks("files", "data")
    assert upward("", ["leap_avvp.inference", "leap_avvp.training"]) == ["leap_avvp.training"]
    assert upward("errors", ["leap_avvp.inference"]) == ["leap_avvp.inference"]
    assert not breaks("studies", "figures")
    assert not breaks("training", "config")
    assert not breaks("models", "types")
    assert not breaks("data", "data")
    assert of_hydra("training.run", ["omegaconf", "hydra.utils", "torch"]) == ["omegaconf", "hydra.utils"]
    assert of_hydra("config.build", ["hydra.utils"]) == []


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {f"leap_avvp.{module_name(path)}": set(imports(path)) for path in MODULES}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"import cycle: {' -> '.join([*trail[trail.index(name) :], name])}"
        if name in graph and name not in done:
            for imported in sorted(graph[name]):
                visit(imported, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_files_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{module_name(path)}: {lines} lines; split it where a second idea begins"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_public_names_are_declared_at_the_top(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    defined = [node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    public = {node.name for node in defined if not node.name.startswith("_")}
    declarations = [
        node
        for node in body
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
    ]
    if not declarations:
        assert not public, f"{module_name(path)}: no __all__, but {sorted(public)}"
        return
    (declaration,) = declarations
    names = ast.literal_eval(declaration.value)
    assert public <= set(names), f"{module_name(path)}: __all__ lacks {sorted(public - set(names))}"
    above = [node for node in body if node.lineno < declaration.lineno]
    allowed = (ast.Expr, ast.Import, ast.ImportFrom, ast.If)  # docstring, imports, `if TYPE_CHECKING`
    assert all(isinstance(node, allowed) for node in above), f"{module_name(path)}: __all__ stands below code"

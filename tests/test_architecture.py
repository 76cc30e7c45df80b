"""The house rules that keep the package easy to read: imports run one way, files stay short, names are declared."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "leap_avvp"
MODULES = sorted(SOURCE.rglob("*.py"))

# From the ground up. A module imports from lower floors, from its own room, and on the floors marked so from its floor.
GROUND = ("__init__", "errors", "files", "llp", "machine", "npz", "tensors", "types")
PARTS = ("data", "losses", "metrics", "models")  # rooms that do not know one another
RUNNING = (
    "build",
    "callbacks",
    "checkpoint",
    "config",
    "dashboards",
    "evaluate",
    "interrupts",
    "loggers",
    "module",
    "per_video",
    "report",
    "run_images",
    "schedules",
    "scoring",
    "targets",
    "train",
    "wandb_mode",
)
ABOVE = ("convert", "figures", "released", "studies")
COMMANDS = ("__main__", "cli", "commands", "hydra_app", "wandb_sync")
FLOORS = (GROUND, PARTS, RUNNING, ABOVE, COMMANDS)
SHARED_FLOORS = (GROUND, RUNNING, ABOVE, COMMANDS)

# Everything else is plain Python that a notebook can use without a config.
HYDRA_ROOMS = {"build", "config", "evaluate", "hydra_app", "studies", "train"}
MAX_LINES = 320


def module_name(path: Path) -> str:
    """Return the dotted name below the package: ``studies.plan``; a package's ``__init__`` is the package."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


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


def room(name: str) -> str:
    """Return the first part of a module's name below the package."""
    return name.removeprefix("leap_avvp").lstrip(".").partition(".")[0] or "__init__"


def floor(name: str) -> tuple[str, ...]:
    return next((names for names in FLOORS if name in names), ())


def breaks(importer: str, imported: str) -> bool:
    """Say whether a room may not import another."""
    if importer == imported:
        return False
    here, there = floor(importer), floor(imported)
    return FLOORS.index(there) > FLOORS.index(here) or (here is there and here not in SHARED_FLOORS)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_every_module_has_a_floor(path: Path) -> None:
    assert floor(room(module_name(path))), f"{module_name(path)}: say in FLOORS where it belongs"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_run_one_way(path: Path) -> None:
    importer = room(module_name(path))
    own = [name for name in imports(path) if name == "leap_avvp" or name.startswith("leap_avvp.")]
    wrong = [name for name in own if breaks(importer, room(name))]
    assert not wrong, f"{module_name(path)} imports {wrong}"


def test_the_rule_can_fail() -> None:
    assert breaks("data", "models")
    assert breaks("metrics", "module")
    assert breaks("train", "studies")
    assert breaks("studies", "cli")
    assert not breaks("train", "config")
    assert not breaks("models", "types")
    assert not breaks("data", "data")


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
def test_hydra_stays_where_jobs_are_composed(path: Path) -> None:
    if room(module_name(path)) in HYDRA_ROOMS:
        return
    found = [name for name in imports(path) if name.partition(".")[0] in ("hydra", "omegaconf")]
    assert not found, f"{module_name(path)} imports {found}"


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

"""The fences of the house: each rule that matters is a test, read from the syntax trees of our own modules.

Rules about imports count every import that can run, at the top of a module or inside a function; those under
``if TYPE_CHECKING`` run nothing and are not counted, except for the direction of imports between our own packages.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("data", "propagation", "analytics", "flows")
"""In the order of their layers: each may import itself and those before it."""
MODULES = sorted(path.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
MOST_LINES = 450


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), module)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def running_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those under ``if TYPE_CHECKING``."""
    yield node
    for child in ast.iter_child_nodes(node):
        if is_type_checking(child):
            for other in child.orelse:
                yield from running_nodes(other)
        else:
            yield from running_nodes(child)


def imported(module: str, *, type_checking: bool = False) -> Iterator[tuple[str, int]]:
    """Yield the dotted names that a module imports, with their lines."""
    for node in ast.walk(tree(module)) if type_checking else running_nodes(tree(module)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively: name the package"
            yield str(node.module), node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def calls(module: str) -> Iterator[tuple[str, bool, int]]:
    """Yield the last name of everything that is called, whether it is an attribute, and the line."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id, False, node.lineno
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr, True, node.lineno


def texts(module: str) -> Iterator[tuple[str, int]]:
    """Yield the texts of a module that are no documentation, with their lines."""
    root = tree(module)
    documentation = {id(node.value) for node in ast.walk(root) if isinstance(node, ast.Expr)}
    for node in ast.walk(root):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value, node.lineno


def layers_above(module: str) -> set[str]:
    layer = PACKAGES.index(module.partition("/")[0])
    return {*PACKAGES[layer + 1 :], "tests", "benchmarks", "notebooks"}


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


# -- layers ---------------------------------------------------------------------------------------------------------


def test_there_are_modules_to_look_at():
    assert {"data/warehouse/store.py", "propagation/engine.py", "flows/config.py"} <= set(MODULES)


def test_imports_run_from_flows_to_data_only():
    found = [
        f"{module}:{line} imports {name}: imports run flows -> analytics -> propagation -> data only"
        for module in MODULES
        for name, line in imported(module, type_checking=True)
        if name.partition(".")[0] in layers_above(module)
    ]
    assert not found, "\n".join(found)


def test_no_import_runs_in_a_circle():
    """Imports inside functions count: they hide a circle, they do not remove it."""
    names = {module.removesuffix(".py").removesuffix("/__init__").replace("/", "."): module for module in MODULES}
    packages = {name for name, module in names.items() if module.endswith("/__init__.py")}
    graph = {
        name: {found for found, _ in imported(module) if found in names and found != name} - packages
        for name, module in names.items()
    }
    leading: dict[str, set[str]] = {}
    for name in graph:
        reached, waiting = set(), list(graph[name])
        while waiting:
            if (current := waiting.pop()) not in reached:
                reached.add(current)
                waiting += graph[current]
        leading[name] = reached
    circles = sorted(name for name, reached in leading.items() if name in reached)
    assert not circles, f"{', '.join(circles)} import each other in a circle"


FENCES = {
    "prefect": lambda module: module.startswith("flows/"),
    "yaml": lambda module: module in {"flows/yaml_documents.py", "analytics/pages/specification.py"},  # reads, writes
    "duckdb": lambda module: module == "data/warehouse/catalogue.py",
    "typer": lambda module: module.startswith("flows/"),
    "rich": lambda module: module.startswith("flows/") or module == "data/progress.py",
    "matplotlib": lambda module: module in {"propagation/pictures.py", "analytics/plots.py"},
}
SHEETS = {"matplotlib", "matplotlib.figure", "matplotlib.figure.Figure"}
"""Whoever hands a figure to those who draw, and saves it, may import these."""


@pytest.mark.parametrize("library", FENCES)
def test_libraries_stay_behind_their_fences(library):
    found = [
        f"{module}:{line} imports {name}: {library} has a place of its own"
        for module in MODULES
        if not FENCES[library](module)
        for name, line in imported(module)
        if within(name, library) and name not in SHEETS
    ]
    assert not found, "\n".join(found)


def test_clients_and_clusters_are_made_in_one_place():
    names = {"Client", "LocalCluster", "SSHCluster", "Nanny", "Scheduler"}
    found = [
        f"{module}:{line} makes a {name}: only propagation/clusters.py makes or joins clusters"
        for module in MODULES
        if module != "propagation/clusters.py"
        for name, _, line in calls(module)
        if name in names
    ]
    found += [
        f"{module}:{line} imports {name}: only propagation/clusters.py makes or joins clusters"
        for module in MODULES
        if module != "propagation/clusters.py"
        for name, line in imported(module)
        if within(name, "distributed") and name.rpartition(".")[2] in names
    ]
    assert not found, "\n".join(found)


def test_paths_of_tables_are_known_to_the_warehouse_alone():
    found = [
        f"{module}:{line} holds {text!r}: only data/warehouse/ knows where files lie"
        for module in MODULES
        if not module.startswith("data/warehouse/")
        for text, line in texts(module)
        if text.startswith(("tables/", "manifests/"))
    ]
    assert not found, "\n".join(found)


def test_nothing_prints_but_the_command_line():
    found = [
        f"{module}:{line} prints: log it; the command line prints, with Rich"
        for module in MODULES
        for name, is_attribute, line in calls(module)
        if name == "print" and not is_attribute
    ]
    found += [
        f"{module}:{line} writes to the terminal: log it"
        for module in MODULES
        if not module.startswith("flows/") and module != "data/progress.py"
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.stdout", "sys.stderr"}
        for line in [node.lineno]
    ]
    assert not found, "\n".join(found)


LAZY_ENDS = {
    "propagation/engine.py",
    "propagation/plans/reference/plan.py",
    "propagation/result.py",
    "data/readers/objects.py",
    "data/warehouse/store.py",
}
"""Modules where lazy frames are computed or persisted, beside flows."""


def test_lazy_frames_are_computed_at_the_ends_only():
    found = [
        f"{module}:{line} calls .{name}(): lazy in, lazy out; only {', '.join(sorted(LAZY_ENDS))} and flows compute"
        for module in MODULES
        if module not in LAZY_ENDS and not module.startswith("flows/")
        for name, is_attribute, line in calls(module)
        if is_attribute and name in {"compute", "persist"}
    ]
    assert not found, "\n".join(found)


# -- names and sizes ------------------------------------------------------------------------------------------------


def test_modules_are_named_after_subjects():
    nowhere = {"utils", "util", "helpers", "helper", "common", "misc", "constants", "tools", "base", "core", "types"}
    found = [module for module in MODULES if nowhere & set(Path(module).with_suffix("").parts)]
    assert not found, f"{found}: a module is a noun of the domain"


def test_modules_are_short():
    lengths = {module: len((ROOT / module).read_text(encoding="utf-8").splitlines()) for module in MODULES}
    found = {module: length for module, length in lengths.items() if length > MOST_LINES}
    assert not found, f"{found}: a module has at most {MOST_LINES} lines; give a part of it its own module"


def test_sql_lies_in_sql_files_whose_first_line_is_the_grain():
    found = [
        path for path in ROOT.glob("**/sql/*.sql") if not path.read_text(encoding="utf-8").startswith("-- One row ")
    ]
    assert not found, f"{found}: the first line says what one row is"

"""Imports point down, nothing imports in a circle, and docs/architecture.md names every room."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Container, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "engine": ROOT / "engine",
    "service": ROOT / "service",
    "gradwire": ROOT / "clients" / "python" / "src" / "gradwire",
}
every_package = pytest.mark.parametrize("package", PACKAGES)


def test_import_contracts_hold() -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'clients/python/src'}"}
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint_imports, "--no-cache"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@every_package
def test_no_circle_of_files(package: str) -> None:
    """Not even by imports in functions, or for type checkers alone."""
    files = modules(package)
    try:
        TopologicalSorter({name: set(imports(name, path, files)) for name, path in files.items()}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_a_circle_would_be_found() -> None:
    lazy = ast.parse("def f():\n    from engine.ir.tape import Tape\n    from engine.ir import op")
    assert list(imported(lazy, {"engine.ir.op"})) == ["engine.ir.tape", "engine.ir.op"]
    typed = "if TYPE_CHECKING:\n    from engine.ir.tape import Tape"
    assert list(imported(ast.parse(typed), {})) == ["engine.ir.tape"]


def test_what_runs_plans_asks_the_executors_port() -> None:
    """Training and queries know no executor but by the protocol, so that another one serves both."""
    allowed = {"engine.runtime.executors.executor", "engine.runtime.executors.scratch_pool"}
    files = modules("engine")
    wrong = {
        name: target
        for name, path in files.items()
        if name.startswith(("engine.training.", "engine.queries."))
        for target in imports(name, path, files)
        if target.startswith("engine.runtime.executors") and target not in allowed
    }
    assert not wrong


@every_package
def test_every_room_is_on_the_page_of_the_architecture(package: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = "".join(re.findall(r"^\| \[[^|]*\|", page, flags=re.MULTILINE))
    missing = [
        str(folder.relative_to(ROOT))
        for folder in rooms(PACKAGES[package])
        if folder != PACKAGES[package] and f"](../{folder.relative_to(ROOT)}/__init__.py)" not in rows
    ]
    loose = [
        str(path.relative_to(ROOT))
        for path in PACKAGES[package].glob("*.py")
        if not path.stem.startswith("_") and f"](../{path.relative_to(ROOT)})" not in rows
    ]
    assert not missing + loose


@every_package
def test_every_room_lists_its_files(package: str) -> None:
    """The docstring of a room names each file in it, unless the files are found without a list to edit."""
    unlisted = []
    for folder in rooms(PACKAGES[package]):
        text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
        files = [path for path in folder.glob("*.py") if path.stem != "__init__"]
        if folder == PACKAGES[package] or f"{package}/ops" in str(folder) or "without a list" in text:
            continue
        unlisted += [
            str(path.relative_to(ROOT))
            for path in files
            if not re.search(rf"(?<![\w]){re.escape(path.stem)}(?![\w])", text)
        ]
    assert not unlisted, "\n".join(unlisted)


@every_package
def test_docstrings_of_rooms_list_what_is_there_once(package: str) -> None:
    """A line that begins with a name in code font names a file or a room beside it, and none comes twice."""
    wrong = []
    for folder in rooms(PACKAGES[package]):
        text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
        listed = re.findall(r"^`(\w+)/?`  +", text, flags=re.MULTILINE)
        there = {path.stem for path in folder.glob("*.py")} | {
            path.parent.name for path in folder.glob("*/__init__.py")
        }
        wrong += [f"{folder.relative_to(ROOT)}: {name} is not there" for name in set(listed) - there]
        wrong += [f"{folder.relative_to(ROOT)}: {name} twice" for name in listed if listed.count(name) > 1]
        if folder == PACKAGES[package] and package != "gradwire":
            wrong += [f"{package}: {name} is not listed" for name in there - {"__init__", *listed}]
    assert not wrong, "\n".join(wrong)


def rooms(package: Path) -> Iterator[Path]:
    """The package and every folder of modules in it."""
    for path in sorted(package.rglob("__init__.py")):
        yield path.parent


def modules(package: str) -> dict[str, Path]:
    """Every file of a package by its dotted name."""
    folder = PACKAGES[package]
    found = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, files: dict[str, Path]) -> Iterator[str]:
    """The files of the same package that one imports: at the top, in a function, or for type checkers."""
    for target in imported(ast.parse(path.read_text()), files):
        if target in files and target != name and not name.startswith(f"{target}."):
            yield target


def imported(tree: ast.AST, files: Container[str]) -> Iterator[str]:
    """Every dotted name that is imported: the file if it is one of `files`, else the package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in files else node.module

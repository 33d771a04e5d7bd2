"""Every import is a declared dependency, and every declared dependency is imported."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"engine", "service", "gradwire"}
#: Modules of a Python that is newer than the oldest supported one.
LATER = {"compression"}

# Uvicorn finds its protocol and its loop by itself; some packages come with the one that is declared.
FOUND_BY_OTHERS = {"httptools", "uvloop"}
BROUGHT = {"starlette": "fastapi", "pydantic-core": "pydantic"}


@pytest.mark.parametrize(
    ("project", "folders"),
    [(ROOT, ["engine", "service"]), (ROOT / "clients/python", ["src"])],
    ids=["server", "sdk"],
)
def test_imports_and_declarations_agree(project: Path, folders: list[str]) -> None:
    declared = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {normal(re.split(r"[<>=!~\[; ]", entry, maxsplit=1)[0]) for entry in declared}
    imported = {
        distribution_of(module)
        for folder in folders
        for path in (project / folder).rglob("*.py")
        for module in imported_by(path)
        if module not in OURS | LATER | sys.stdlib_module_names
    }
    needed = {BROUGHT.get(name, name) for name in imported}
    assert needed <= names, f"imported, not declared: {sorted(needed - names)}"
    assert names - FOUND_BY_OTHERS <= needed, f"declared, not imported: {sorted(names - needed)}"


def imported_by(path: Path) -> set[str]:
    """Top-level names of the modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found


def distribution_of(module: str) -> str:
    """The distribution that has a module, as pyproject files write it."""
    return normal(installed().get(module, [module])[0])


def normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def installed() -> Mapping[str, list[str]]:
    """Distributions by top-level module."""
    return packages_distributions()

"""Rules for every source file: it has a docstring, holds one noun, and names no private place."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 400

# Longer files that somebody looked at and found to be one noun, with the reason.
ONE_NOUN = {
    "clients/python/src/gradwire/_tracing/ops.py": "generated from the table of ops",
    "clients/python/src/gradwire/_names/instead.py": "generated from the tables of substitutes",
    "clients/python/src/gradwire/keras/layers.py": "generated from the records of layers",
    "clients/python/src/gradwire/keras/losses.py": "generated from the records of losses",
    "clients/python/src/gradwire/errors.py": "one short class a code: a list, not a design",
    "engine/errors.py": "one short class a code, with its title and cure: a list, not a design",
    "service/settings.py": "one field a setting, with its bounds and description: a list, not a design",
}

# Hosts of package registries and private paths have no business in a repository that strangers clone.
FORBIDDEN = re.compile(r"/wor[k]/|/opt/pyp[i]|index-ur[l]|registry\.npmj[s]|pypi\.org/simpl[e]")


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that git knows; a test here needs a checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def sources(*folders: str) -> list[Path]:
    """The Python files below `folders`, from the disk."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


PRODUCT = sources("engine", "service", "clients/python/src")
OTHERS = sources("examples", "benchmarks", "docs", "tests")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*PRODUCT, *OTHERS], ids=relative)
def test_every_module_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    if path.name == "__init__.py" and not text.strip():
        pytest.skip("an empty package file")
    assert ast.get_docstring(ast.parse(text)), f"{relative(path)} has no docstring"


def test_files_hold_one_noun() -> None:
    lengths = {relative(path): len(path.read_text().splitlines()) for path in PRODUCT}
    long = {name for name, lines in lengths.items() if lines > LONGEST}
    assert long == set(ONE_NOUN), f"look whether these have become two nouns: {sorted(long - set(ONE_NOUN))}"


def test_nothing_names_a_private_place() -> None:
    found = {}
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if "static" not in path.parts and (match := FORBIDDEN.search(text)):
            found[relative(path)] = match[0]
    assert not found


#: Participles that say nothing of a value; a name says what it is.
NO_NAMES = {"found", "made", "known", "told", "asked", "held", "seen", "taken", "drawn"}

#: Those that attributes, functions and classes do not have as names either.
NOWHERE = {"given", "kept", "left"}

FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def named(scope: ast.AST) -> Iterator[tuple[str, int]]:
    """The names of variables, parameters, attributes, functions and classes in `scope`, with their lines."""
    for node in ast.walk(scope):
        match node:
            case (
                ast.Name(id=name, ctx=ast.Store())
                | ast.Attribute(attr=name, ctx=ast.Store())
                | ast.arg(arg=name)
            ):
                yield name.strip("_"), node.lineno
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name.strip("_"), node.lineno


def sides(tree: ast.Module) -> set[tuple[str, int]]:
    """`left` as a noun, with its lines: in functions that have a `right` as well."""
    functions = [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
    scopes = [set(named(scope)) for scope in functions]
    return {
        row for rows in scopes if any(name == "right" for name, _ in rows) for row in rows if row[0] == "left"
    }


def test_values_are_named_by_nouns() -> None:
    wrong = []
    for path in PRODUCT:
        tree = ast.parse(path.read_text())
        rows = {row for row in named(tree) if row[0] in NOWHERE} - sides(tree)
        for scope in ast.walk(tree):
            if isinstance(scope, FUNCTIONS):
                stored = {
                    n.id for n in ast.walk(scope) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
                }
                parameters = {n.arg for n in ast.walk(scope.args) if isinstance(n, ast.arg)}
                rows |= {(name, scope.lineno) for name in (stored | parameters) & NO_NAMES}
        wrong += [f"{relative(path)}:{line}: {name}" for name, line in sorted(rows, key=lambda row: row[1])]
    assert not wrong, "\n".join(wrong)

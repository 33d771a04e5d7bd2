"""Imports of tests, benchmarks, examples and generators are installed by the extras, or are oracles.

A fresh machine has the server, the SDK and the extra `dev`. Whatever is imported while tests are collected
has to be among those; an oracle may be imported later, by the tests that ask for it.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.architecture.test_dependencies import BROUGHT, ROOT, distribution_of, normal

FOLDERS = (
    "tests",
    "benchmarks",
    "docs",
    "examples",
    "clients/python/generate.py",
    "clients/python/generate_keras.py",
)
OURS = {"engine", "service", "gradwire", "benchmarks", "docs", "examples", "tests", "mnist"}
OURS |= {"generate_keras"}  # beside the script that imports it
#: Distributions that are called otherwise than what they bring, where the oracles are not installed to tell.
CALLED = {"cupy": "cupy-cuda12x", "cupyx": "cupy-cuda12x"}
#: Commands, plugins and types of the extra `dev`, which nothing imports.
TOOLS = {"import-linter", "mypy", "pre-commit", "pytest-xdist", "ruff", "scipy-stubs"}
#: Asked once, by hand, for answers that are kept; no extra has it, since it takes 1.3 GB.
BY_HAND = {
    "tests/engine/diagnosis/tensorflow_peer.py": {"tensorflow"},
    "benchmarks/_tesseract/client.py": {"tesseract_core"},
    "benchmarks/_tesseract/tesseract_api.py": {"tesseract_core"},
}
#: Programs, not tests: they are imported by tests that have asked for the oracle before.
PEERS = {
    "tests/engine/diagnosis/peers.py": {"torch", "jax"},
    "tests/client/forking.py": {"emcee", "joblib", "torch"},
}
#: The stand-in for CuPy, which is imported under that name.
STAND_IN = "tests/devices/fake/"


def names_of(entries: list[str]) -> set[str]:
    """The distributions that requirements name."""
    return {normal(re.split(r"[<>=!~\[; ]", entry, maxsplit=1)[0]) for entry in entries}


def project(folder: Path = ROOT) -> dict[str, object]:
    table: dict[str, object] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return table


EXTRAS = project()["optional-dependencies"]
DEV = names_of(EXTRAS["dev"])
FRESH = (
    names_of(project()["dependencies"]) | DEV | names_of(project(ROOT / "clients" / "python")["dependencies"])
)
ORACLES = names_of(EXTRAS["oracles"])


def files() -> Iterator[Path]:
    for name in FOLDERS:
        path = ROOT / name
        yield from [path] if path.is_file() else sorted(path.rglob("*.py"))


def imports(body: ast.AST) -> Iterator[tuple[str, bool]]:
    """Top-level names of the modules imported below a node, and whether importing the file imports them."""
    for node in ast.iter_child_nodes(body):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], True) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.partition(".")[0], True
        elif isinstance(node, ast.Call) and _is_oracle(node):
            yield node.args[0].value.partition(".")[0], False
        late = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from ((name, at_once and not late) for name, at_once in imports(node))


def _is_oracle(call: ast.Call) -> bool:
    named = isinstance(call.func, ast.Name) and call.func.id == "oracle"
    return named and bool(call.args) and isinstance(call.args[0], ast.Constant)


def distributions(text: str, name: str) -> dict[str, bool]:
    """The distributions that a file imports, and whether importing the file imports them."""
    found: dict[str, bool] = {}
    for module, at_once in imports(ast.parse(text)):
        if module in OURS or module in sys.stdlib_module_names or module in BY_HAND.get(name, ()):
            continue
        if name.startswith(STAND_IN) and module in ("cupy", "cupyx"):
            continue
        distribution = CALLED.get(module) or distribution_of(module)
        distribution = BROUGHT.get(distribution, distribution)
        found[distribution] = found.get(distribution, False) or at_once
    return found


def missing(text: str, name: str) -> set[str]:
    """What is wrong with the imports of a file, one sentence each."""
    wrong = set()
    for distribution, at_once in distributions(text, name).items():
        if at_once and distribution not in FRESH:
            wrong.add(f"{name} imports {distribution} at once, and a fresh machine has none")
        elif distribution not in FRESH | ORACLES:
            wrong.add(f"{name} imports {distribution}, and no extra names it")
    return wrong


def test_a_fresh_machine_has_what_is_imported() -> None:
    wrong = {said for path in files() for said in missing(path.read_text(), str(path.relative_to(ROOT)))}
    assert not wrong


def test_what_the_extras_name_is_used() -> None:
    used = {
        distribution
        for path in files()
        for distribution in distributions(path.read_text(), str(path.relative_to(ROOT)))
    }
    assert used & TOOLS == set()
    assert used >= DEV - TOOLS
    assert ORACLES - {"jaxlib"} <= used, "jaxlib comes with jax, and is named for its version"


def test_tests_ask_for_oracles_by_the_fixture() -> None:
    """An import of one's own fails where the fixture skips, and skips where CI wants it to fail."""
    wrong = {}
    for path in (ROOT / "tests").rglob("*.py"):
        name = str(path.relative_to(ROOT))
        own = {
            module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for module, _ in imports(ast.Module([node], []))
            if CALLED.get(module, module) in ORACLES and not name.startswith(STAND_IN)
        }
        if own - PEERS.get(name, set()):
            wrong[name] = own
        assert "importorskip" not in path.read_text() or path.samefile(__file__), name
    assert not wrong


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import mpmath_of_ours", "at once"),
        ("from torch import nn", "at once"),
        ("try:\n    import torch\nexcept ImportError:\n    torch = None", "at once"),
        ("class A:\n    import torch", "at once"),
        ("def f():\n    import mpmath_of_ours", "no extra"),
        ("def test(oracle):\n    oracle('autograd')", "no extra"),
    ],
)
def test_a_hidden_dependency_is_found(text: str, said: str) -> None:
    [found] = missing(text, "tests/test_new.py")
    assert said in found


@pytest.mark.parametrize(
    "text",
    ["def f():\n    import torch", "def test(oracle):\n    oracle('keras')", "import numpy.linalg, os"],
)
def test_what_may_be_imported(text: str) -> None:
    assert not missing(text, "tests/test_new.py")


def test_an_oracle_that_is_missing_skips_or_fails(
    oracle: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRADWIRE_REQUIRE_ORACLES", raising=False)
    peer = "nowhere"
    with pytest.raises(pytest.skip.Exception, match="'nowhere' is not installed: pip install"):
        oracle(peer)
    monkeypatch.setenv("GRADWIRE_REQUIRE_ORACLES", "1")
    with pytest.raises(pytest.fail.Exception, match="'nowhere' is not installed: pip install"):
        oracle(peer)

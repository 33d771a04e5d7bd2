"""The stand-in held against CuPy itself, which can be imported without a device."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.devices.conftest import FAKE

OWN = {"plain", "wrap", "require_stream", "allocate"}  # the stand-in's, for itself
FILES = {
    "cupy": "cupy/__init__.py",
    "cupy.linalg": "cupy/linalg.py",
    "cupy.cuda": "cupy/cuda/__init__.py",
    "cupyx": "cupyx/__init__.py",
}


def described() -> dict[str, dict[str, set[str]]]:
    """For each of the stand-in's modules its public functions, and the parameters they take, as written."""
    answer: dict[str, dict[str, set[str]]] = {}
    for space, file in FILES.items():
        functions = [n for n in ast.parse((FAKE / file).read_text()).body if isinstance(n, ast.FunctionDef)]
        answer[space] = {
            f.name: {a.arg for a in (*f.args.args, *f.args.kwonlyargs)}
            for f in functions
            if not f.name.startswith("_") and f.name not in OWN
        }
    return answer


@pytest.mark.oracle
def test_what_the_stand_in_has_is_cupys(oracle: Callable[[str], ModuleType]) -> None:
    """Every function, and every parameter that it takes; of CuPy's, it need not have all."""
    oracle("cupy")
    for space, functions in described().items():
        module = importlib.import_module(space)
        assert FAKE not in Path(str(module.__file__)).parents, "CuPy itself is asked"
        for name, parameters in functions.items():
            theirs = getattr(module, name)
            try:
                known = set(inspect.signature(theirs).parameters)
            except (TypeError, ValueError):  # compiled, with no signature to read
                continue
            assert parameters <= known, (space, name)


@pytest.mark.oracle
def test_what_an_array_of_the_stand_in_can_do_is_cupys(oracle: Callable[[str], ModuleType]) -> None:
    (made,) = (
        n
        for n in ast.parse((FAKE / "cupy/_array.py").read_text()).body
        if isinstance(n, ast.ClassDef) and n.name == "ndarray"
    )
    methods = {n.name for n in made.body if isinstance(n, ast.FunctionDef)} - {"scatter", "_places", "_set"}
    assert methods <= {*dir(oracle("cupy").ndarray), "__hash__", "__iter__"}


@pytest.mark.oracle
def test_loops_are_cupys(oracle: Callable[[str], ModuleType]) -> None:
    cupy = oracle("cupy")
    special = importlib.import_module("cupyx.scipy.special")
    for space, table in (
        (cupy, json.loads((FAKE / "cupy" / "loops.json").read_text())["cupy"]),
        (special, json.loads((FAKE / "cupy" / "loops.json").read_text())["special"]),
    ):
        for name, loops in table.items():
            assert [loop for loop in getattr(space, name).types if "E" not in loop] == loops.split(), name


def test_there_are_no_kernels_of_our_own_to_compile() -> None:
    """Nothing is written in CUDA: were there a raw kernel, NVRTC would have to compile it here."""
    raw = {"RawKernel", "RawModule", "ElementwiseKernel", "ReductionKernel", "fuse"}
    for path in (Path(__file__).parents[2] / "engine").rglob("*.py"):
        names = {
            node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)
        }
        assert not names & raw, path


def test_the_stand_in_is_there_for_those_who_ask_alone() -> None:
    """Outside of the tests that take it, nothing of it is imported."""
    loaded = sys.modules.get("cupy")
    assert loaded is None or FAKE not in Path(str(loaded.__file__)).parents

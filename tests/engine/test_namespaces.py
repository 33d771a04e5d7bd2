"""The names that kernels use exist on every array library, read from their source: no device is needed."""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

import engine
from engine import arrays
from engine.arrays import cupy, numpy
from engine.arrays.namespace import BEYOND_THE_STANDARD, SPECIAL
from engine.arrays.scattering import Scattering
from engine.ir.table import TABLE

SPACES = ("xp", "m")  # what kernels and scalar forms call their namespace
FOLDER = Path(engine.__file__).parent
KERNELS = ("ops", "control", "executors", "indices.py")
KIT = {  # written by us, for each library
    *("within", "check_indices", "watch_indices", "anywhere", "item", "constant", "errstate"),
    *("draw", "gamma_quantile", "gamma_quantile_slope", "repeat_each"),
    *("index_add", "index_put", "put_along_axis_add"),
    *("inv", "solve", "cholesky", "svd", "banded_inverse", "complex_of", "recurrence"),
    *("eigh", "qr", "lu", "expm", "running_place"),
    *("from_host", "to_host", "writable", "answer", "guarding", "is_ufunc", "may_share_memory"),
    *("on_device", "place"),
}


def used() -> dict[str, set[str]]:
    """Each name that is looked up on a namespace, and the files that do."""
    found = defaultdict(set)
    for path in (p for kind in KERNELS for p in (FOLDER / kind).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            looked_up = isinstance(node, ast.Attribute) and (
                (isinstance(node.value, ast.Name) and node.value.id in SPACES)
                or (isinstance(node.value, ast.Attribute) and node.value.attr == "_xp")
            )
            if looked_up:
                found[node.attr].add(str(path.relative_to(FOLDER)))
            if isinstance(node, ast.keyword) and node.arg == "ufunc" and isinstance(node.value, ast.Constant):
                found[str(node.value.value)].add(str(path.relative_to(FOLDER)))
    found.update({name: {"ops"} for name in ("argmax", "argmin", "cumulative_sum", "tril", "triu")})
    return dict(found)


def test_a_name_is_of_the_standard_or_listed() -> None:
    allowed = {*dir(strict), *SPECIAL, *BEYOND_THE_STANDARD, *KIT, "divmod", "linalg", "fft"}
    unknown = {name: files for name, files in used().items() if name not in allowed}
    assert not unknown


def test_every_name_is_there_on_the_cpu() -> None:
    xp = arrays.numpy_namespace()
    assert not [name for name in {*used(), *KIT} if not hasattr(xp, name)]


@pytest.mark.oracle
def test_every_name_is_there_on_a_cuda_device(oracle: Callable[[str], ModuleType]) -> None:
    """CuPy can be imported without a GPU."""
    oracle("cupy")
    xp = arrays.cupy_namespace()
    assert not [name for name in {*used(), *KIT} if not hasattr(xp, name)]
    known = {*vars(cupy._Kit), *vars(Scattering)}
    assert {name for name in known if not name.startswith("_")} - {"sort", "argsort", "sign"} == KIT | {
        "spherical_jn"
    }


@pytest.mark.oracle
def test_a_function_takes_the_same_on_both(oracle: Callable[[str], ModuleType]) -> None:
    """Name by name, what the kit over CuPy takes is what its twin on the CPU takes."""
    oracle("cupy")
    cpu, cuda = arrays.numpy_namespace(), arrays.cupy_namespace()
    different = {}
    for name in (*KIT, "sum", "prod", "max", "min", "any", "all", "sort", "argsort"):
        twins = [getattr(space, name) for space in (cpu, cuda)]
        if not callable(twins[0]) or name in ("constant", "errstate", "may_share_memory", "repeat_each"):
            continue  # NumPy's own there, wider than what is used
        shapes = [_shape(function) for function in twins]
        if name in ("sort", "argsort", "inv", "solve"):  # wrapped: how many arrays they take is in the calls
            continue
        if shapes[0] != shapes[1]:
            different[name] = shapes
    assert not different


def _shape(function: Any) -> list[tuple[str, Any, Any]]:
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default) for p in parameters]


@pytest.mark.oracle
def test_universal_functions_have_the_cpus_dtypes(oracle: Callable[[str], ModuleType]) -> None:
    """For every dtype that an op may meet, CuPy's first fitting loop answers in the dtype that NumPy does."""
    cupy = oracle("cupy")
    xp, cpu = arrays.cupy_namespace(), arrays.numpy_namespace()
    wrong = []
    for op in TABLE.values():
        function, twin = (getattr(space, op.kernel.ufunc or "", None) for space in (xp, cpu))
        if not isinstance(function, cupy.ufunc) or not isinstance(twin, np.ufunc):
            continue
        for char in "?bBhHiIlLefd":
            try:
                expected = twin.resolve_dtypes((*[np.dtype(char)] * twin.nin, None))[-1]
            except TypeError:
                continue
            loops = (loop.split("->") for loop in function.types if "E" not in loop)
            fits = (out for ins, out in loops if all(np.can_cast(char, wanted) for wanted in ins))
            answer = next(fits, None)
            if answer is None or np.dtype(answer) != expected:
                wrong.append((op.name, char, answer, expected.char))
    assert not [w for w in wrong if not _is_refused(*w[:2])], wrong


def _is_refused(name: str, char: str) -> bool:
    """Whether the op never sees the dtype: a boolean where numbers are asked for."""
    kind = TABLE[name].inputs[0].kind
    return (char == "?" and kind not in ("any", "boolean")) or (
        char not in "efd" and kind in ("floating", "real_floating")
    )


def test_what_goes_through_the_host_is_listed() -> None:
    assert set(cupy.ON_HOST) <= set(vars(cupy._Kit))
    assert numpy.numpy_namespace().on_device is False

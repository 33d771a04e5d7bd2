"""The names that kernels use exist on every array library, read from their source: no device is needed."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import array_api_strict as strict
import pytest

import engine.ops
from engine import arrays
from engine.arrays.namespace import SPECIAL

SPACES = ("xp", "m")  # what kernels and scalar forms call their namespace
FOLDER = Path(engine.ops.__file__).parent
SHARED = {
    "cbrt",
    "copyto",
    "divmod",
    "errstate",
    "exp2",
    "fmax",
    "fmin",
    "fmod",
    "heaviside",
}  # CuPy's as well
KIT = {  # written by us, for each library
    "check_indices", "cholesky", "draw", "gamma_quantile", "gamma_quantile_slope", "index_add", "inv",
    "put_along_axis_add", "solve", "spherical_jn", "svd",
}  # fmt: skip


def used() -> dict[str, set[str]]:
    """Each name that is looked up on a namespace, and the files that do."""
    found = defaultdict(set)
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in SPACES
            ):
                found[node.attr].add(str(path.relative_to(FOLDER)))
            if isinstance(node, ast.keyword) and node.arg == "ufunc" and isinstance(node.value, ast.Constant):
                found[str(node.value.value)].add(str(path.relative_to(FOLDER)))
    return dict(found)


def test_a_name_is_of_the_standard_or_listed() -> None:
    allowed = set(dir(strict)) | set(SPECIAL) | SHARED | KIT | {"linalg"}
    unknown = {name: files for name, files in used().items() if name not in allowed}
    assert not unknown


def test_every_name_is_there_on_the_cpu() -> None:
    xp = arrays.numpy()
    assert not [name for name in used() if not hasattr(xp, name)]


@pytest.mark.oracle
def test_every_name_is_there_in_cupy() -> None:
    """CuPy can be imported without a GPU; the kit is ours to provide there."""
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    import array_api_compat.cupy as standard
    import cupyx.scipy.special

    missing = [
        name
        for name in used()
        if name not in KIT
        and not any(hasattr(space, name) for space in (standard, cupy, cupyx.scipy.special))
    ]
    assert not missing

"""Names with a library before them, as `np.exp`: the same without it, or what the function means here."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Final

from engine import dtypes
from engine.ir import substitutes
from engine.ir.substitutes import Formula
from engine.ir.table import TABLE

#: How modules are called in programs, and whose functions they hold.
LIBRARIES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("np", "numpy", "jnp", "jax", "lax", "sp", "scipy", "special", "cp", "cupy", "onp", "anp"), "numpy"
    ),
    **dict.fromkeys(("torch", "F", "nn", "pt"), "torch"),
    **dict.fromkeys(("tf", "tensorflow", "keras", "K"), "tensorflow"),
    **dict.fromkeys(("math", "cmath", "Math"), "math"),
    **dict.fromkeys(("gw", "gradwire"), "gradwire"),
}

_CONSTANTS: Final = {
    "pi": "pi",
    "PI": "pi",
    "E": "e",
    "e": "e",
    "inf": "inf",
    "Inf": "inf",
    "infty": "inf",
    "PINF": "inf",
    "NINF": "-inf",
    "nan": "nan",
    "NaN": "nan",
    "NAN": "nan",
    "tau": "2 * pi",
    "newaxis": "None",
    "euler_gamma": "0.5772156649015329",
}

#: Functions that share an op's name and have other defaults, or another order of their arguments.
_OTHERWISE: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "numpy": (
        ("argmax(x)", "argmax(flatten(x))"),
        ("argmin(x)", "argmin(flatten(x))"),
        ("cumsum(x)", "cumulative_sum(flatten(x))"),
        ("cumprod(x)", "cumulative_prod(flatten(x))"),
        ("identity(n)", "eye(n)"),
        ("max(x, axis)", "max(x, axis=axis)"),
        ("min(x, axis)", "min(x, axis=axis)"),
        ("gradient(y)", "concat(y[1:2] - y[:1], (y[2:] - y[:-2]) / 2, y[-1:] - y[-2:-1])"),
        ("logsumexp(x)", "logsumexp(flatten(x))"),
    ),
    "torch": (
        ("argmax(x)", "argmax(flatten(x))"),
        ("argmin(x)", "argmin(flatten(x))"),
        ("std(x)", "std(x, correction=1)"),
        ("var(x)", "var(x, correction=1)"),
        ("std(x, axis)", "std(x, axis=axis, correction=1)"),
        ("var(x, axis)", "var(x, axis=axis, correction=1)"),
        ("transpose(x, i, j)", "swapaxes(x, i, j)"),
        ("gather(x, axis, ids)", "take_along_axis(x, ids, axis=axis)"),
        ("leaky_relu(x)", "leaky_relu(x, 0.01)"),
        ("normalize(x)", "normalize(x, axis=1)"),
        ("cosine_similarity(a, b)", "cosine_similarity(a, b, axis=1)"),
    ),
    "tensorflow": (
        ("argmax(x)", "argmax(x, axis=0)"),
        ("argmin(x)", "argmin(x, axis=0)"),
        ("cumsum(x)", "cumulative_sum(x, axis=0)"),
        ("cumprod(x)", "cumulative_prod(x, axis=0)"),
    ),
    "math": (("log(x, b)", "log(x) / log(b)"),),
    "gradwire": (),
}

_FORMULAS: Final = {
    library: [Formula(call, text) for call, text in rows] for library, rows in _OTHERWISE.items()
}


def owner(node: ast.Attribute) -> str | None:
    """The name before the first dot, as `np` of np.linalg.norm; None if something else stands there."""
    value = node.value
    while isinstance(value, ast.Attribute):
        value = value.value
    return value.id if isinstance(value, ast.Name) else None


def exists(name: str) -> bool:
    """The name before the first dot, as `np` of np.linalg.norm; None if it is something else."""
    op = TABLE.find(name)
    exists = op is not None and not op.internal
    return exists or name in _CONSTANTS or name in dtypes.ALL or substitutes.find(name) is not None


class Stripped(ast.NodeTransformer):
    """Takes the libraries out of a statement."""

    def __init__(self, shadowed: Mapping[str, object]) -> None:
        self.shadowed = shadowed  # names that are tensors, whatever they are called

    def _library(self, node: ast.expr) -> str | None:
        name = owner(node) if isinstance(node, ast.Attribute) else None
        return None if name is None or name in self.shadowed else LIBRARIES.get(name)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """`np.pi` as `pi`."""
        if self._library(node) is None:
            self.generic_visit(node)
            return node
        return ast.parse(_CONSTANTS.get(node.attr, node.attr), mode="eval").body

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """`np.exp(x)` as `exp(x)`, or the formula of a function that is another here."""
        library = self._library(node.func)
        self.generic_visit(node)
        if library is None or not isinstance(node.func, ast.Name):
            return node
        name = node.func.id
        keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
        for formula in _FORMULAS[library]:
            if formula.call.partition("(")[0] == name:
                meant = formula.bind(node.args, keywords)
                if meant is not None:
                    return meant
        op = TABLE.find(name)
        instead = substitutes.find(name) if op is None or op.internal else None
        meant = None if instead is None else instead.written(node.args, keywords)
        return node if meant is None else meant

"""Ops called as a function of the same name is called elsewhere: what is meant, and how it is written here.

A row is `(call, formula)`, as in `engine.ir.substitutes`; it stands for the calls that fit it and pass its
test.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.ir.substitutes import Formula

Test = Callable[..., bool]


@dataclass(frozen=True, slots=True)
class Confusion:
    """A call that means something else elsewhere; `test` gets its arguments."""

    formula: Formula
    what: str
    why: str
    test: Test = lambda *args: True
    methods: bool = True  # whether x.op(…) is such a call too


def _is(value: object) -> Test:
    return lambda x, b: isinstance(b, ast.Constant) and b.value == value


def _is_integer(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    return isinstance(node, ast.Constant) and type(node.value) is int


def _no_axes(x: ast.expr, y: ast.expr, *more: ast.expr) -> bool:
    return not isinstance(y, ast.Tuple | ast.List) and not (isinstance(y, ast.Constant) and y.value is None)


def _swapped(x: ast.expr, i: ast.expr, j: ast.expr) -> bool:
    return _is_integer(i) and _is_integer(j) and ast.unparse(i) + ast.unparse(j) not in ("10", "-1-2")


def _row(
    call: str, text: str, what: str, why: str, test: Test = lambda *args: True, methods: bool = True
) -> Confusion:
    return Confusion(Formula(call, text), what, why, test, methods)


_EXTREME: Final = (
    "'{0}' of two arguments may be the {1} along an axis or of two values",
    "{0}(x, axis=0) reduces along an axis, {0}imum compares two tensors",
)
_TWO: Final = ("'{0}' takes two tensors", "it takes two at a time")

_ROWS: Final = (
    _row("log(x, _b)", "log2(x)", "'log' takes no base", "it is the natural logarithm", _is(2)),
    _row("log(x, _b)", "log10(x)", "'log' takes no base", "it is the natural logarithm", _is(10)),
    _row("log(x, b)", "log(x) / log(b)", "'log' takes no base", "it is the natural logarithm"),
    *(
        _row(
            f"{name}({', '.join('xyz'[:count])})",
            text.replace("maximum", f"{name}imum"),
            _EXTREME[0].format(name, word),
            _EXTREME[1].format(name),
            _no_axes,
            methods=False,
        )
        for name, word in (("max", "largest"), ("min", "smallest"))
        for count, text in ((2, "maximum(x, y)"), (3, "maximum(maximum(x, y), z)"))
    ),
    _row("maximum(x)", "max(x)", "'maximum' compares two tensors", "the largest element is max"),
    _row("minimum(x)", "min(x)", "'minimum' compares two tensors", "the smallest element is min"),
    *(
        _row(f"{name}(x, y, z)", f"{name}({name}(x, y), z)", _TWO[0].format(name), _TWO[1])
        for name in ("maximum", "minimum", "add", "multiply", "logical_and", "logical_or", "matmul", "dot")
    ),
    _row(
        "gather(x, axis, ids)",
        "take_along_axis(x, ids, axis=axis)",
        "'gather' takes the indices before the axis, and whole slices",
        "PyTorch's gather is take_along_axis",
        lambda x, axis, ids: _is_integer(axis) and not _is_integer(ids),
    ),
    _row(
        "transpose(x, i, j)",
        "swapaxes(x, i, j)",
        "'transpose' takes every axis in its new order",
        "two axes change places with swapaxes",
        _swapped,
    ),
    _row(
        "identity(n)",
        "eye(n)",
        "'identity' answers its argument",
        "the identity matrix is eye",
        _is_integer,
    ),
    _row(
        "fill(x, value)",
        "full_like(x, value)",
        "'fill' takes a shape",
        "a tensor like another is full_like",
        lambda x, value: not isinstance(x, ast.Constant | ast.Tuple | ast.List),
    ),
    _row(
        "average(x, weights)",
        "sum(weights * x) / sum(weights)",
        "'average' takes no weights",
        "a weighted mean is a quotient of sums",
        lambda x, weights: not _is_integer(weights),
    ),
    _row(
        "gradient(y)",
        "concat(y[1:2] - y[:1], (y[2:] - y[:-2]) / 2, y[-1:] - y[-2:-1])",
        "'gradient' differentiates a function of the program",
        "differences between neighbours, as NumPy's gradient takes them, are slices",
    ),
    *(
        _row(
            f"{name}(m, n)",
            f"{name}((m, n))",
            f"'{name}' takes a shape",
            "a shape is one argument",
            lambda m, n: _is_integer(m) and _is_integer(n),
            methods=False,
        )
        for name in ("ones", "zeros")
    ),
    _row(
        "where(c)",
        "where(c, 1, 0)",
        "'where' takes what it chooses between",
        "how many places hold would depend on the data; a mask keeps all",
    ),
)


def confusion(
    name: str, args: Sequence[ast.expr], keywords: Mapping[str, ast.expr], *, method: bool
) -> tuple[Confusion, ast.expr] | None:
    """The first row that a call fits, and what it means; a method's own tensor is the first of `args`."""
    for row in _BY_NAME.get(name, ()):
        if method and not row.methods:
            continue
        meant = row.formula.bind(args, keywords)
        if meant is not None and row.test(*args, *keywords.values()):
            return row, meant
    return None


_BY_NAME: Final[dict[str, list[Confusion]]] = {}
for _each in _ROWS:
    _BY_NAME.setdefault(_each.formula.call.partition("(")[0], []).append(_each)

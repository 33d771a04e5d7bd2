"""Jacobians and Hessians of few products: the pattern of a question, and the drafts that take coloured seeds.

A product moves many elements at once, those of one colour. Where entries are asked for (`sparse`), the seeds
enter as directions, so that one program serves every pattern with as many colours; where the whole matrix
is, they are constants, and the entries are laid into zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import Any

import numpy as np

from engine.arrays.types import Array
from engine.derivatives.draft import DIRECTION, Draft, Values
from engine.derivatives.jacobian_problem import JacobianProblem, Method, jacobian_problem
from engine.derivatives.query import Query
from engine.derivatives.sparsity import (
    KnownValues,
    Layout,
    TooDense,
    dependence,
    hessian_layout,
    jacobian_layout,
)
from engine.derivatives.sparsity.known_values import Source
from engine.derivatives.sparsity.pattern import stacked
from engine.dtypes import TensorType, is_inexact
from engine.errors import UnknownName, UnknownWrt
from engine.ir.attributes import InputIndex
from engine.ir.budget import charge
from engine.ir.table import F
from engine.ir.tape import Tape

MOST_ENTRIES = 1 << 24  # of a pattern that is asked for
MOST_ELEMENTS = 1 << 28  # of a dense matrix: more than that is refused anyway, or takes its time
FEWEST_PRODUCTS = 64  # a dense matrix of fewer rows or columns is not worth the look
ENTRIES_PER_LINE = 32  # of a pattern that is looked at on the way to a dense matrix
MOST_LINES = 1 << 17  # rows and columns of one: a look takes memory and time for each of them
WORTH = 4  # the products have to become so many times fewer


class Pattern:
    """The pattern of a question's matrix, and `reads`, the inputs whose values it was read from."""

    def __init__(self, sides: JacobianProblem, values: Mapping[str, Array], most: int) -> None:
        self.query = sides.query
        self.rows, self.columns = sides.types(sides.rows), sides.types(sides.columns)
        self.reads: set[str] = set()
        _refuse_twins(sides)
        self.symmetric = sides.target is not None and _is_symmetric(sides)
        known_values = KnownValues(sides.tape, self._sources(sides, values))
        rows, columns = list(sides.rows.values()), list(sides.columns.values())
        pattern = dependence(sides.tape, columns, set(rows), known_values, most)
        parts = [(pattern.get(slot), type.size) for slot, type in zip(rows, self.rows.values(), strict=True)]
        self.matrix = stacked(parts, sum(type.size for type in self.columns.values()))
        if self.matrix.nnz > most:
            raise TooDense(self.matrix.nnz)

    def _sources(self, sides: JacobianProblem, values: Mapping[str, Array]) -> dict[int, Source]:
        """The inputs that are no floats, where they have values; looking at one is remembered."""

        def look(name: str) -> Array:
            self.reads.add(name)
            return values[name]

        return {
            slot: partial(look, name)
            for name, slot in sides.tape.inputs.items()
            if name in values and not is_inexact(sides.tape.types[slot].dtype)
        }

    def passes(self, method: Method) -> int:
        """The fewest products that could do."""
        matrix = self.matrix if method == "forward" else self.matrix.T.tocsr()
        return int(np.diff(matrix.indptr).max(initial=0))

    def layout(self, method: Method) -> Layout:
        """The pattern coloured for products in this mode."""
        charge(self.matrix.nnz >> 4)
        if self.query.kind == "hessian":
            return hessian_layout(self.matrix, self.columns, symmetric=self.symmetric)
        return jacobian_layout(self.matrix, self.rows, self.columns, method)


def _refuse_twins(sides: JacobianProblem) -> None:
    """Raise UnknownWrt or UnknownName if one tensor would be seeded twice in one product."""
    columns, rows = list(sides.columns.values()), list(sides.rows.values())
    hint = "a node is the same as its output 0"
    if len(set(columns)) < len(columns):
        raise UnknownWrt("`wrt` names one tensor twice", path="$.wrt", hint=hint)
    if sides.target is None and len(set(rows)) < len(rows):
        raise UnknownName("`outputs` names one tensor twice", path="$.outputs", hint=hint)


def _is_symmetric(sides: JacobianProblem) -> bool:
    """Whether nothing but the function's own derivatives is in the Hessian, and in one precision: no gradient
    of the user's making, no variable that depends on another, one dtype.
    """
    inputs = set(sides.tape.inputs.values())
    one_dtype = len({type.dtype for type in sides.types(sides.columns).values()}) <= 1
    return one_dtype and inputs.issuperset(sides.columns.values()) and not _has_own_gradient(sides.tape)


def _has_own_gradient(tape: Tape) -> bool:
    functions = [tape]
    while functions:
        for step in functions.pop().instructions:
            if step.op.name == "custom_gradient":
                return True
            functions += [value for value in step.attributes.values() if isinstance(value, Tape)]
    return False


# -- drafts ------------------------------------------------------------------------------------------


def sparse(query: Query) -> Draft:
    """The products of a question whose method and number of colours are known; the seeds come as directions.

    The answer has `products` in place of the matrix, in the order of the side they answer for.
    """
    assert query.colours is not None, "the compiler colours the pattern first"
    sides = jacobian_problem(query)
    method: Method = "reverse" if query.method == "reverse" else "forward"
    along = sides.seeded(method)
    types = {name: TensorType((query.colours, *t.shape), t.dtype) for name, t in along.items()}
    seeds = {name: sides.tape.input(f"{DIRECTION}{name}", type) for name, type in types.items()}
    places = [sides.outputs.add(v.slot) for v in sides.products(method, along, seeds).values()]

    def assemble(values: Values, _: Any) -> dict[str, Any]:
        answer = {**sides.answer(values), "products": [values[i] for i in places]}
        return answer if query.kind == "hessian" else {**answer, "method": method}

    return Draft(sides.tape, assemble, types)


def compressed(query: Query, seconds: Callable[[Draft], float], margin: float) -> Draft | None:
    """The whole matrix by a few coloured products, None if they are not known to be few.

    The pattern is looked for only where the matrix is large, only with little work, and only by the graph.
    """
    if not query.rewrites:
        return None
    methods: list[Method] = ["forward"] if query.kind == "hessian" else ["reverse", "forward"]
    if query.kind == "jacobian" and query.method != "auto":
        methods = ["reverse" if query.method == "reverse" else "forward"]
    layouts = _few_products(query, methods)
    drafts = [_laid_out(query, layout) for layout in layouts]
    if len(drafts) == 2:
        reverse, ahead = drafts
        return ahead if seconds(ahead) < margin * seconds(reverse) else reverse
    return drafts[0] if drafts else None


def _few_products(query: Query, methods: list[Method]) -> list[Layout]:
    if sum(type.size for type in query.inputs.values() if is_inexact(type.dtype)) < FEWEST_PRODUCTS:
        return []
    sides = jacobian_problem(query)
    sizes = {method: sum(type.size for type in sides.seeded(method).values()) for method in methods}
    if not sizes or min(sizes.values()) < FEWEST_PRODUCTS:
        return []
    height, width = (sum(type.size for type in sides.types(s).values()) for s in (sides.rows, sides.columns))
    if height * width > MOST_ELEMENTS or height + width > MOST_LINES or sides.is_complex:
        return []
    try:
        pattern = Pattern(sides, {}, ENTRIES_PER_LINE * (height + width))
    except (TooDense, UnknownWrt, UnknownName):
        return []
    layouts = []
    cheapest = min(sizes.values())
    for method in methods:
        if WORTH * pattern.passes(method) <= cheapest:
            layout = pattern.layout(method)
            if 0 < WORTH * layout.count <= cheapest:
                layouts.append(layout)
    return layouts


def _laid_out(query: Query, layout: Layout) -> Draft:
    """The products of constant seeds, and the entries laid into zeros."""
    sides = jacobian_problem(query)
    tape = sides.tape
    along = sides.seeded(layout.method)
    seeds = {name: tape.constant(seed) for name, seed in layout.seeds(0, layout.count).items()}
    products = list(sides.products(layout.method, along, seeds).values())
    sizes = [prod(product.shape[1:]) for product in products]
    flat = [p.reshape((layout.count, size)) for p, size in zip(products, sizes, strict=True)]
    joined = flat[0] if len(flat) == 1 else F.concat(*flat, axis=1)
    joined = joined.reshape((joined.size,))
    blocks: dict[str, dict[str, int]] = {}
    for row, own in layout.blocks.items():
        blocks[row] = {}
        for column, block in own.items():
            values = F.getitem(joined, tape.constant(block.places), index=(InputIndex(1),))
            places = tape.constant(block.rows * block.shape[1] + block.cols)
            shape = (*tape.types[sides.rows[row]].shape, *tape.types[sides.columns[column]].shape)
            dense = F.from_entries(values.astype(block.dtype), places, shape=shape)
            blocks[row][column] = sides.outputs.add(dense.slot)

    def assemble(values: Values, _: Any) -> dict[str, Any]:
        matrix = {row: {column: values[i] for column, i in own.items()} for row, own in blocks.items()}
        answer = {**sides.answer(values), query.kind: matrix}
        return answer if query.kind == "hessian" else {**answer, "method": layout.method}

    return Draft(tape, assemble)

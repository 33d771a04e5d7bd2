"""Derivatives formed as matrices: jacobian and hessian.

Rows (reverse) or columns (forward) are products with the unit vectors, all of them in one pass: the
product is recorded for one direction and batched over an identity. Where the graph alone shows that few
products tell all, a few coloured ones are taken instead (`engine.derivatives.sparse`).
"""

from __future__ import annotations

from engine.derivatives.draft import Draft, Values, in_user_convention
from engine.derivatives.jacobian_problem import JacobianProblem, Method, conjugated, jacobian_problem
from engine.derivatives.query import Query
from engine.derivatives.sparse import compressed, sparse
from engine.dtypes import TensorType
from engine.ir.table import TABLE, F
from engine.ir.tape import Variable
from engine.passes import optimize
from engine.runtime.plan import make_plan

MARGIN = 0.9  # forward mode is chosen only where it is clearly cheaper


def jacobian(query: Query) -> Draft:
    """Values of outputs and their Jacobians, out.shape + in.shape, by the cheaper method or the one named."""
    if query.sparse:
        return sparse(query)
    draft = compressed(query, seconds, MARGIN)
    if draft is not None:
        return draft
    if query.method != "auto":
        return _whole(query, query.method)
    reverse, ahead = _whole(query, "reverse"), _whole(query, "forward")
    return ahead if seconds(ahead) < MARGIN * seconds(reverse) else reverse


def hessian(query: Query) -> Draft:
    """The target's value, gradients, and the Hessian's blocks a.shape + b.shape, by forward over reverse."""
    if query.sparse:
        return sparse(query)
    return compressed(query, seconds, MARGIN) or _whole(query, "forward")


def seconds(draft: Draft) -> float:
    """What a run of a draft is predicted to take."""
    return make_plan(optimize(draft.tape)).estimate.seconds


def _whole(query: Query, method: Method) -> Draft:
    """A product for each element of a side."""
    sides = jacobian_problem(query)
    blocks: dict[str, dict[str, int]] = {name: {} for name in sides.rows}
    others = sides.answered(method)
    for name, type in sides.seeded(method).items():
        for other, answer in sides.products(method, {name: type}, {name: _unit(sides, type)}).items():
            own = others[other]
            if method == "reverse":
                row = in_user_convention(answer) if conjugated(method, type) else answer
                blocks[name][other] = sides.outputs.add(row.reshape((*type.shape, *own.shape)).slot)
            else:
                blocks[other][name] = sides.outputs.add(_turned(answer, own, type).slot)
    return Draft(sides.tape, lambda values, _: _answer(sides, values, blocks, method))


def _answer(
    sides: JacobianProblem, values: Values, blocks: dict[str, dict[str, int]], method: Method
) -> dict[str, object]:
    matrix = {row: {column: values[i] for column, i in own.items()} for row, own in blocks.items()}
    answer = {**sides.answer(values), sides.query.kind: matrix}
    return answer if sides.query.kind == "hessian" else {**answer, "method": method}


def _unit(sides: JacobianProblem, type: TensorType) -> Variable:
    """Every unit vector of a type, in front."""
    unit: Variable = sides.tape.apply(TABLE["eye"], [], {"n_rows": type.size, "dtype": type.dtype})
    return unit.reshape((type.size, *type.shape))


def _turned(answer: Variable, out: TensorType, variable: TensorType) -> Variable:
    """(in.size, *out.shape) as out.shape + in.shape."""
    turned: Variable = F.permute_dims(answer, axes=(*range(1, out.ndim + 1), 0))
    return turned.reshape((*out.shape, *variable.shape))

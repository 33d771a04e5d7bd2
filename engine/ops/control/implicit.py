"""root and fixed_point: solutions of equations, differentiated by the implicit function theorem.

The solution is found by a loop that no derivative enters. At r(x, p) = 0, dx = -(dr/dx)⁻¹ (dr/dp) dp: that
is attached as a `custom_gradient` whose rules read the solution, so they hold at every order and in rows.
Few unknowns have their Jacobian formed and factorised; many are solved for by products with it. A complex
unknown needs an equation that is holomorphic in it: then dr/dx is a matrix of complex numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.dtypes import TensorType, is_complex, is_inexact
from engine.errors import DtypeMismatch, NotHolomorphic
from engine.ir.attributes import FUNCTION, NUMBER, SIZE, Attribute, choice
from engine.ir.families import composite
from engine.ir.function_rules import (
    FunctionRule,
    Sizes,
    Specialize,
    Types,
    expect_inputs,
    expect_outputs,
    outputs_of,
    settle,
)
from engine.ir.op import Op
from engine.ir.table import TABLE, F
from engine.ir.tape import Tape, Variable
from engine.ops.control.fixed_point import ANDERSON
from engine.ops.control.linear_solve import LINEAR, solve
from engine.ops.control.subtape import Body, inexact, input_types
from engine.transforms.holomorphy import first_not_holomorphic
from engine.transforms.jvp import forward
from engine.transforms.vjp import backward, zeros
from engine.transforms.vmap import batch

DENSE = 256  # unknowns: their Jacobian is formed and factorised


@dataclass(frozen=True, slots=True)
class _Equation:
    """r(x, p) = 0 as functions: the residual, and its Jacobian or the products with it and its transpose."""

    residual: Tape
    jacobian: Tape | None
    push: Tape
    pull: Tape
    settings: Mapping[str, Any]  # of linear systems

    def divided(self, right: Variable, own: Sequence[Variable], *, transposed: bool = False) -> Variable:
        """(dr/dx)⁻¹ right at (x, p), or the same with the transpose."""
        if self.jacobian is not None:
            (matrix,) = right.tape.inline(self.jacobian, own)
            return _divided(F.permute_dims(matrix) if transposed else matrix, right)
        operator, other = (self.pull, self.push) if transposed else (self.push, self.pull)
        return solve(right, own, operator=operator, transposed=other, **self.settings)


def _equation_of(residual: Tape, method: str, **settings: Any) -> _Equation:
    types = input_types(residual)
    size = types[0].size
    dense = method == "dense" or (method == "auto" and size <= DENSE)
    if settings["bandwidth"] is not None:
        settings["bandwidth"] = min(settings["bandwidth"], max(size - 1, 0))
    push = _pushing(residual, types)
    jacobian = _jacobian(push, types) if dense else None
    return _Equation(residual, jacobian, push, _pulling(residual, types), settings)


def _pushing(residual: Tape, types: Types) -> Tape:
    """p(v, x, parameters…) = (dr/dx) v."""
    body = Body()
    v, x, *parameters = body.inputs([types[0], *types])
    (r,) = body.play(residual, [x, *parameters])
    reached = forward(body.tape, {x.slot: v}, tuple(body.tape.instructions))
    return body.finish([reached[r.slot] if r.slot in reached else zeros(body.tape, r)])


def _pulling(residual: Tape, types: Types) -> Tape:
    """q(w, x, parameters…) = (dr/dx)' w."""
    body = Body()
    w, x, *parameters = body.inputs([types[0], *types])
    (r,) = body.play(residual, [x, *parameters])
    adjoints = backward(body.tape, {r.slot: w}, [x.slot])
    return body.finish([adjoints[x.slot] if x.slot in adjoints else zeros(body.tape, x)])


def _jacobian(push: Tape, types: Types) -> Tape:
    """dr/dx as a matrix, from tangents along every unit vector at once."""
    body = Body()
    own = body.inputs(types)
    size, shape = types[0].size, types[0].shape
    unit = body.tape.apply(TABLE["eye"], [], {"n_rows": size, "dtype": types[0].dtype})
    rows = batch(push, list(push.inputs)[:1], size)
    (columns,) = body.tape.inline(rows, [unit.reshape((size, *shape)), *own])
    return body.finish([F.permute_dims(columns.reshape((size, size)))])


def _divided(matrix: Variable, right: Variable) -> Variable:
    """matrix⁻¹ right, in right's shape; NaN where the matrix is so ill-conditioned that it is no solution."""
    flat = right.reshape((right.size,))
    answer: Variable = F.solve(matrix, flat)
    gap = F.stop_gradient(F.matmul(matrix, answer) - flat)
    limit = float(np.finfo(right.dtype).eps) ** (1 / 3)
    sound = F.vector_norm(gap) <= limit * F.vector_norm(F.stop_gradient(flat))
    solution: Variable = F.where(sound, answer, float("nan"))
    return solution.reshape(right.shape)


def _implicit(equation: _Equation, x: Variable, parameters: Sequence[Variable]) -> Variable:
    """The solution x with its derivatives by the parameters."""
    inputs = [x, *parameters]
    types = [v.type for v in inputs]
    settings = {
        "forward": _same(types),
        "backward": _pulled(equation, types),
        "jvp": _pushed(equation, types),
    }
    (answer,) = x.tape.apply(TABLE["custom_gradient"], inputs, settings)
    solution: Variable = answer
    return solution


def _same(types: Types) -> Tape:
    body = Body()
    x, *_ = body.inputs(types)
    return body.finish([F.identity(x)])


def _pulled(equation: _Equation, types: Types) -> Tape:
    """Dp = -(dr/dp)' w, where (dr/dx)' w = g; everything is read at the answer y.

    A complex g comes conjugated, and so do the answers go: they are those of a user's function.
    """
    body = Body()
    first, *parameters = body.inputs(types)
    y, g = body.input(types[0]), body.input(types[0])
    own = [F.identity(v) for v in (y, *parameters)]
    w = equation.divided(-g.conj(), own, transposed=True)
    start = len(body.tape.instructions)
    (r,) = body.play(equation.residual, own)
    moving = [own[i].slot for i in inexact(types) if i]
    adjoints = backward(body.tape, {r.slot: w}, moving, since=start)
    answers = [adjoints[v.slot].conj() if v.slot in adjoints else zeros(body.tape, v) for v in own[1:]]
    return body.finish([zeros(body.tape, first), *answers])


def _pushed(equation: _Equation, types: Types) -> Tape:
    """Dx = -(dr/dx)⁻¹ (dr/dp) dp, read at the answer y."""
    body = Body()
    _, *parameters = body.inputs(types)
    y = body.input(types[0])
    _, *tangents = body.inputs(types)
    own = [F.identity(v) for v in (y, *parameters)]
    start = len(body.tape.instructions)
    (r,) = body.play(equation.residual, own)
    moved = {own[i].slot: tangents[i - 1] for i in inexact(types) if i}
    reached = forward(body.tape, moved, tuple(body.tape.instructions[start:]))
    dr = reached[r.slot] if r.slot in reached else zeros(body.tape, r)
    return body.finish([equation.divided(-dr, own)])


# -- finding the solution ----------------------------------------------------------------------------


def _solve_for(op: str, xs: Sequence[Variable], **settings: Any) -> Variable:
    """What a search from xs[0] answers; no gradient enters."""
    result: Variable = xs[0].tape.apply(TABLE[op], xs, settings)
    return result


def _root(
    *xs: Variable, function: Tape, tolerance: float | None, max_steps: int, method: str, **linear: Any
) -> Variable:
    x, *parameters = _typed(xs, function)
    equation = _equation_of(function, method, **linear)
    solution = _solve_for(
        "find_root",
        [x, *parameters],
        residual=function,
        jacobian=equation.jacobian,
        product=equation.push if equation.jacobian is None else None,
        tolerance=float(np.finfo(x.dtype).eps) ** 0.5 if tolerance is None else tolerance,
        max_steps=max_steps,
        **equation.settings,
    )
    return _implicit(equation, solution, parameters)


def _fixed_point(
    *xs: Variable,
    function: Tape,
    tolerance: float | None,
    max_steps: int,
    method: str,
    anderson: int,
    **linear: Any,
) -> Variable:
    x, *parameters = _typed(xs, function)
    body = Body()
    own = body.inputs(input_types(function))
    (answer,) = body.play(function, own)
    equation = _equation_of(body.finish([own[0] - answer]), method, **linear)
    solution = _solve_for(
        "find_fixed_point",
        [x, *parameters],
        function=function,
        tolerance=64 * float(np.finfo(x.dtype).eps) if tolerance is None else tolerance,
        max_steps=max_steps,
        anderson=anderson,
    )
    return _implicit(equation, solution, parameters)


def _typed(xs: Sequence[Variable], function: Tape) -> list[Variable]:
    """The inputs in the types that the function was made for; raises DtypeMismatch, NotHolomorphic."""
    x = xs[0].astype(function.types[next(iter(function.inputs.values()))].dtype)
    if not is_inexact(x.dtype):
        raise DtypeMismatch(
            f"the unknown is {x.dtype}, expected a floating dtype", hint="start from a float, as in 1.0"
        )
    culprit = None
    if x.dtype == "float16":
        raise DtypeMismatch(
            "the unknown is float16, expected float32 or wider: its linear systems are solved in it",
            hint="convert the start, and what the function answers, with astype first",
        )
    if is_complex(x.dtype):
        culprit = first_not_holomorphic(function, [next(iter(function.inputs.values()))], function.outputs)
    if culprit is not None:
        raise NotHolomorphic(
            f"the unknown is {x.dtype}, and the function is not holomorphic in it: {culprit.op.name} is not",
            hint="solve for the real and imaginary parts, as a real unknown with a last axis of 2",
        )
    return [x, *xs[1:]]


# -- the ops -----------------------------------------------------------------------------------------


def _link(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
    expect_inputs(attributes["function"], sizes, inputs, "the unknown, then the parameters")
    expect_outputs(attributes["function"], sizes, 1, "as many equations as unknowns, in one tensor")


def _bind(specialize: Specialize, attributes: Mapping[str, Any], types: Types) -> dict[str, Any]:
    rest = [TensorType(t.shape, t.dtype) for t in types[1:]]
    return {"function": settle(specialize, attributes["function"], types[:1], rest, outputs_of)}


def _equation(
    name: str, formula: Callable[..., Any], summary: str, steps: int, conventions: str, *more: Attribute
) -> Op:
    return composite(
        name,
        summary=summary,
        formula=formula,
        promote=False,
        variadic=True,
        functions=FunctionRule(_link, lambda attributes, sizes: 1, _bind),
        attributes=(
            Attribute("function", FUNCTION, doc="f(x, parameters…) in the shape of x"),
            Attribute("tolerance", NUMBER, None, "of a step, relative to 1 + |x|"),
            Attribute("max_steps", SIZE, steps, "more steps are an error"),
            Attribute(
                "method",
                choice("auto", "dense", "krylov"),
                "auto",
                f"of solving linear systems: auto factorises up to {DENSE} unknowns, and takes GMRES above",
            ),
            *LINEAR,
            *more,
        ),
        outputs=None,
        conventions=f"{conventions} The start has no influence on derivatives. Up to {DENSE} unknowns the "
        "Jacobian is factorised, above them (or by `method`) GMRES takes products with it, from the right "
        "preconditioned by the band that `bandwidth` names. A derivative is NaN where its linear system is "
        "singular or was not solved: dense, to a relative residual of eps^⅓; by GMRES, to √eps (it goes on "
        "to eps^¾ where rounding lets it) or to `linear_tolerance`.",
    )


root = _equation(
    "root",
    _root,
    "A solution x of f(x, parameters…) = 0, by Newton's method from a start.",
    50,
    "Steps are shortened until the residual falls, and end when one is smaller than the square root of the "
    "dtype's precision. Running out of steps, and a Jacobian that is singular on the way, are errors.",
)
fixed_point = _equation(
    "fixed_point",
    _fixed_point,
    "A solution x of f(x, parameters…) = x, by iterating f from a start.",
    1000,
    "Steps end when one is smaller than 64 times the dtype's precision. f has to contract, or to do so with "
    "`anderson` past steps mixed in.",
    ANDERSON,
)

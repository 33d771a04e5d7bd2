"""root and fixed_point: solutions of equations, differentiated by the implicit function theorem.

The solution is found by a loop that no derivative enters. At r(x, p) = 0, dx = -(dr/dx)⁻¹ (dr/dp) dp: that
is attached as a `custom_gradient` whose rules read the solution, so they hold at every order and in rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.attributes import FUNCTION, NUMBER, SIZE, Attribute
from engine.backward import backward, zeros
from engine.batching import batch
from engine.control.bodies import Body, floating, input_types
from engine.dtypes import TensorType, is_floating
from engine.errors import DtypeMismatch, OverLimit
from engine.families import COMPOSITE, define
from engine.forward import forward
from engine.functions import (
    FunctionRule,
    Sizes,
    Specialize,
    Types,
    expect_inputs,
    expect_outputs,
    outputs_of,
    settle,
)
from engine.op import TABLE, F, Op, jointly
from engine.tape import Tape
from engine.variable import Variable

DENSE = 256  # unknowns: their Jacobian is formed and factorised

Step = Callable[[Sequence[Variable]], Variable]


def _jacobian(residual: Tape, xs: Sequence[Variable]) -> Variable:
    """dr/dx as a matrix, from tangents along every unit vector at once."""
    made = Body()
    arguments = made.inputs([x.type for x in xs])
    tangent = made.input(arguments[0].type)
    (answer,) = made.play(residual, arguments)
    reached = forward(made.tape, {arguments[0].slot: tangent}, tuple(made.tape.instructions))
    product = made.finish([reached[answer.slot] if answer.slot in reached else zeros(made.tape, answer)])
    x = xs[0]
    unit = x.tape.apply(TABLE["eye"], [], {"n_rows": x.size, "dtype": x.dtype})
    rows = batch(product, [list(product.inputs)[-1]], x.size)
    (columns,) = x.tape.inline(rows, [*xs, unit.reshape((x.size, *x.shape))])
    transposed: Variable = F.permute_dims(columns.reshape((x.size, x.size)))
    return transposed


def _solved(matrix: Variable, right: Variable) -> Variable:
    """matrix⁻¹ right, in right's shape."""
    answer: Variable = F.solve(matrix, right.reshape((right.size,)))
    return answer.reshape(right.shape)


def _implicit(residual: Tape, x: Variable, parameters: Sequence[Variable]) -> Variable:
    """The solution x with its derivatives by the parameters."""
    inputs = [x, *parameters]
    types = [v.type for v in inputs]
    settings = {
        "forward": _same(types),
        "backward": _pulled(residual, types),
        "jvp": _pushed(residual, types),
    }
    (answer,) = x.tape.apply(TABLE["custom_gradient"], inputs, settings)
    known: Variable = answer
    return known


def _same(types: Types) -> Tape:
    made = Body()
    x, *_ = made.inputs(types)
    return made.finish([F.identity(x)])


def _pulled(residual: Tape, types: Types) -> Tape:
    """Dp = -(dr/dp)' w, where (dr/dx)' w = g; everything is read at the answer y."""
    made = Body()
    first, *parameters = made.inputs(types)
    y, g = made.input(types[0]), made.input(types[0])
    own = [F.identity(v) for v in (y, *parameters)]
    w = _solved(F.permute_dims(_jacobian(residual, own)), -g)
    start = len(made.tape.instructions)
    (r,) = made.play(residual, own)
    moving = [own[i].slot for i in floating(types) if i]
    known = backward(made.tape, {r.slot: w}, moving, since=start)
    answers = [known[v.slot] if v.slot in known else zeros(made.tape, v) for v in own[1:]]
    return made.finish([zeros(made.tape, first), *answers])


def _pushed(residual: Tape, types: Types) -> Tape:
    """Dx = -(dr/dx)⁻¹ (dr/dp) dp, read at the answer y."""
    made = Body()
    _, *parameters = made.inputs(types)
    y = made.input(types[0])
    _, *tangents = made.inputs(types)
    own = [F.identity(v) for v in (y, *parameters)]
    start = len(made.tape.instructions)
    (r,) = made.play(residual, own)
    moved = {own[i].slot: tangents[i - 1] for i in floating(types) if i}
    reached = forward(made.tape, moved, tuple(made.tape.instructions[start:]))
    dr = reached[r.slot] if r.slot in reached else zeros(made.tape, r)
    return made.finish([_solved(_jacobian(residual, own), -dr)])


# -- finding the solution ----------------------------------------------------------------------------


def _found(step: Step, xs: Sequence[Variable], tolerance: float, max_steps: int) -> Variable:
    """X after steps until none moves it by more than tolerance (1 + |x|) anywhere."""
    xs = [F.stop_gradient(x) for x in xs]
    types = [x.type for x in xs]
    flag = TensorType((), "bool")
    test = Body()
    going = test.inputs([types[0], flag, *types[1:]])[1]
    test.finish([F.identity(going)])
    made = Body()
    x, _, *parameters = made.inputs([types[0], flag, *types[1:]])
    new = step([x, *parameters])
    far = F.greater(F.abs(new - x), (F.abs(new) + 1) * tolerance)
    made.finish([F.identity(new), F.any(far)])
    start = xs[0].tape.constant(True, "bool")
    answers = xs[0].tape.apply(
        TABLE["while_steps"],
        [xs[0], start, *xs[1:]],
        {"condition": test.tape, "body": made.tape, "carry": 2, "max_steps": max_steps},
    )
    found: Variable = F.stop_gradient(answers[0])
    return found


def _root(*xs: Variable, function: Tape, tolerance: float | None, max_steps: int) -> Variable:
    x, *parameters = _typed(xs, function)

    def newton(own: Sequence[Variable]) -> Variable:
        (r,) = own[0].tape.inline(function, own)
        return own[0] - _solved(_jacobian(function, own), r)

    bound = np.finfo(x.dtype).eps ** 0.5 if tolerance is None else tolerance
    return _implicit(function, _found(newton, [x, *parameters], float(bound), max_steps), parameters)


def _fixed_point(*xs: Variable, function: Tape, tolerance: float | None, max_steps: int) -> Variable:
    x, *parameters = _typed(xs, function)
    made = Body()
    own = made.inputs(input_types(function))
    (answer,) = made.play(function, own)
    residual = made.finish([own[0] - answer])

    def iterate(own: Sequence[Variable]) -> Variable:
        (new,) = own[0].tape.inline(function, own)
        return new

    bound = 64 * np.finfo(x.dtype).eps if tolerance is None else tolerance
    return _implicit(residual, _found(iterate, [x, *parameters], float(bound), max_steps), parameters)


def _typed(xs: Sequence[Variable], function: Tape) -> list[Variable]:
    """The inputs in the types that the function was made for; raises DtypeMismatch, OverLimit."""
    x = xs[0].astype(function.types[next(iter(function.inputs.values()))].dtype)
    if not is_floating(x.dtype):
        raise DtypeMismatch(
            f"the unknown is {x.dtype}, expected a real floating dtype", hint="start from a float, as in 1.0"
        )
    if x.size > DENSE:
        raise OverLimit(
            f"{x.size} unknowns; their Jacobian is factorised, up to {DENSE}",
            hint="solve independent equations with map, or iterate in a while_loop, which has a gradient too",
        )
    return [x, *xs[1:]]


# -- the ops -----------------------------------------------------------------------------------------


def _link(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
    expect_inputs(attributes["function"], sizes, inputs, "the unknown, then the parameters")
    expect_outputs(attributes["function"], sizes, 1, "as many equations as unknowns, in one tensor")


def _bind(specialize: Specialize, attributes: Mapping[str, Any], types: Types) -> dict[str, Any]:
    rest = [TensorType(t.shape, t.dtype) for t in types[1:]]
    return {"function": settle(specialize, attributes["function"], types[:1], rest, outputs_of)}


def _equation(name: str, formula: Callable[..., Any], summary: str, steps: int, conventions: str) -> Op:
    return define(
        name,
        family=COMPOSITE,
        summary=summary,
        formula=formula,
        vjp=jointly,
        kinds="any",
        promote=False,
        variadic=True,
        functions=FunctionRule(_link, lambda attributes, sizes: 1, _bind),
        attributes=(
            Attribute("function", FUNCTION, doc="f(x, parameters…) in the shape of x"),
            Attribute("tolerance", NUMBER, None, "of a step, relative to 1 + |x|"),
            Attribute("max_steps", SIZE, steps, "more steps are an error"),
        ),
        outputs=None,
        conventions=f"{conventions} Up to {DENSE} unknowns. The start has no influence on derivatives. A "
        "singular Jacobian answers NaN.",
    )


root = _equation(
    "root",
    _root,
    "x where f(x, parameters…) is zero, from a start; by Newton's method.",
    50,
    "Steps end when one is smaller than the square root of the dtype's precision.",
)
fixed_point = _equation(
    "fixed_point",
    _fixed_point,
    "x where f(x, parameters…) is x, by repeating f from a start.",
    1000,
    "Steps end when one is smaller than 64 times the dtype's precision. f has to contract.",
)

"""linear_solve: solves L(x) = b for a linear function L, without its matrix; differentiated implicitly.

At A(x, p) = b, A dx = db - (dA) x, and cotangents solve the transposed system: its derivatives are linear
solves again, so they exist at every order, and no derivative enters the iteration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from engine.dtypes import ITEMSIZE, TensorType
from engine.ir.attributes import FUNCTION, NUMBER, SIZE, Attribute
from engine.ir.batch_rules import stacked
from engine.ir.cost import Cost
from engine.ir.derivative import JOINT
from engine.ir.families import CONTROL, define
from engine.ir.function_rules import FunctionRule, Sizes, Specialize, Types, expect_inputs, expect_outputs
from engine.ir.table import F
from engine.ir.tape import Tape, Variable
from engine.ops.control import gmres
from engine.ops.control.subtape import cost_of_runs, inexact
from engine.transforms.jvp import forward
from engine.transforms.vjp import backward, zeros
from engine.transforms.vmap import batch

LINEAR = (
    Attribute("linear_tolerance", NUMBER, None, "the relative residual of linear systems"),
    Attribute("linear_steps", SIZE, gmres.STEPS, "products with the Jacobian for one system, at most"),
    Attribute("bandwidth", SIZE, None, "how far from the diagonal the Jacobian has entries; preconditions"),
)


def _infer(types: Sequence[TensorType], **_: Any) -> tuple[TensorType, ...]:
    return (TensorType(types[0].shape, types[0].dtype),)


def _run(
    xp: Any,
    b: Any,
    *constants: Any,
    operator: Any,
    transposed: Any,
    rows: int,
    linear_tolerance: float | None,
    linear_steps: int,
    bandwidth: int | None,
) -> Any:
    """Rows that were not solved are NaN."""
    shape = b.shape
    flat = xp.reshape(b, (prod(shape[:rows]), prod(shape[rows:])))
    if not b.size:
        return xp.zeros_like(b)

    def product(v: Any) -> Any:
        (answer,) = operator([xp.reshape(v, shape), *constants])
        return xp.reshape(answer, flat.shape)

    target, limit = gmres.tolerances(xp, b.dtype, linear_tolerance)
    inverse = None if bandwidth is None else gmres.band(xp, product, flat, bandwidth)
    solved = gmres.gmres(xp, product, flat, target=target, steps=linear_steps, inverse=inverse)
    sound = (solved.residual <= limit)[:, None]
    return xp.reshape(xp.where(sound, solved.x, xp.full_like(flat, xp.nan)), shape)


def _cost(
    types: Sequence[TensorType],
    outputs: Sequence[TensorType],
    *,
    operator: Tape,
    rows: int,
    linear_steps: int,
    bandwidth: int | None,
    **_: Any,
) -> Cost:
    return cost_of_solve(types[0], operator, rows, linear_steps, bandwidth)


def cost_of_solve(
    b: TensorType, operator: Tape, rows: int, linear_steps: int, bandwidth: int | None, runs: int = 1
) -> Cost:
    """Of `runs` solves, counted as one cycle each: how many are needed is not known before."""
    count, size = prod(b.shape[:rows]), prod(b.shape[rows:])
    products = min(gmres.RESTART, linear_steps, max(size, 1))
    if bandwidth is not None:
        products = 2 * bandwidth + 3
    inner = cost_of_runs(operator, runs * products)
    flops = runs * products * (4 * products + 10) * b.size
    if bandwidth is not None:
        flops += runs * b.size * (3 * bandwidth * (bandwidth + 1) + 6 * bandwidth + 2)
    memory = gmres.workspace(count, size, ITEMSIZE[b.dtype], bandwidth)
    return Cost(inner.flops + flops, inner.bytes + flops, inner.workspace + memory, inner.slow)


def solve(b: Variable, constants: Sequence[Variable], **attributes: Any) -> Variable:
    """Record the op."""
    answer: Variable = b.tape.apply(linear_solve, [b, *constants], attributes)
    return answer


def _pull(
    gs: Sequence[Variable],
    ys: Sequence[Variable],
    *xs: Variable,
    operator: Tape,
    transposed: Tape,
    **rest: Any,
) -> list[Variable | None]:
    """A' w = g; then db = w and dp = -(dA x / dp)' w."""
    constants = xs[1:]
    w = solve(gs[0], constants, operator=transposed, transposed=operator, **rest)
    pulled: list[Variable | None] = [w, *[None] * len(constants)]
    moving = inexact([c.type for c in constants])
    tape = w.tape
    own = [F.identity(c) for c in constants]
    start = len(tape.instructions)
    z = F.identity(tape.inline(operator, [ys[0], *own])[0])
    adjoints = backward(tape, {z.slot: -w}, [own[i].slot for i in moving], since=start)
    for i in moving:
        pulled[1 + i] = adjoints[own[i].slot] if own[i].slot in adjoints else zeros(tape, own[i])
    return pulled


def _push(
    tangents: Sequence[Variable | None],
    xs: Sequence[Variable],
    *,
    operator: Tape,
    transposed: Tape,
    **rest: Any,
) -> list[Variable | None]:
    """A dx = db - (dA) x; the solution is the same as before, and merged."""
    b, *constants = xs
    tape = b.tape
    settings = {"operator": operator, "transposed": transposed, **rest}
    right = tangents[0]
    if any(t is not None for t in tangents[1:]):
        own = [F.identity(c) for c in constants]
        start = len(tape.instructions)
        z = F.identity(tape.inline(operator, [solve(b, constants, **settings), *own])[0])
        moved = {v.slot: t for v, t in zip(own, tangents[1:], strict=True) if t is not None}
        reached = forward(tape, moved, tuple(tape.instructions[start:]))
        if z.slot in reached:
            right = -reached[z.slot] if right is None else right - reached[z.slot]
    return [None if right is None else solve(right, constants, **settings)]


def _batched(
    op: Any,
    xs: Sequence[Variable],
    batched: Sequence[bool],
    n: int,
    *,
    operator: Tape,
    transposed: Tape,
    rows: int,
    **rest: Any,
) -> Variable:
    """More rows: each system ends on its own."""
    flags = [True, *batched[1:]]
    many = {
        name: batch(tape, [key for key, flag in zip(tape.inputs, flags, strict=True) if flag], n)
        for name, tape in (("operator", operator), ("transposed", transposed))
    }
    return solve(stacked(xs[0], batched[0], n), xs[1:], **many, rows=rows + 1, **rest)


def _link(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
    for key in ("operator", "transposed"):
        expect_inputs(attributes[key], sizes, inputs, "the unknown, then the constants")
        expect_outputs(attributes[key], sizes, 1, "the product, in the unknown's shape")


def _bind(specialize: Specialize, attributes: Mapping[str, Any], types: Types) -> dict[str, Any]:
    own = [TensorType(t.shape, t.dtype) for t in types]
    return {key: specialize(attributes[key], own) for key in ("operator", "transposed")}


linear_solve = define(
    "linear_solve",
    family=CONTROL,
    summary="The x where operator(x, constants…) is b, by GMRES; NaN where that was not reached.",
    forward=_run,
    infer=_infer,
    pullback=_pull,
    pushforward=_push,
    batch=_batched,
    functions=FunctionRule(_link, lambda attributes, sizes: 1, _bind),
    vjp=JOINT,
    kinds="any",
    promote=False,
    variadic=True,
    cost=_cost,
    attributes=(
        Attribute("operator", FUNCTION, doc="A(v, constants…), linear in v"),
        Attribute("transposed", FUNCTION, doc="A'(w, constants…)"),
        Attribute("rows", SIZE, 0, "how many leading axes number independent systems"),
        *LINEAR,
    ),
    internal=True,
)

"""find_fixed_point: iterates a function until it no longer changes its argument; rows are independent.

With a memory the next point is mixed from the last ones so that what the function would still move is
smallest (Anderson, 1965; Walker and Ni, 2011). No derivative enters: `fixed_point` attaches it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from engine.dtypes import TensorType
from engine.errors import OverLimit
from engine.ir.attributes import FUNCTION, NUMBER, SIZE, Attribute
from engine.ir.cost import Cost
from engine.ir.families import CONTROL, define
from engine.ir.function_rules import FunctionRule, Sizes, Specialize, Types, expect_inputs
from engine.ir.tape import Tape
from engine.ops.control import gmres
from engine.ops.control.newton import SOLUTION, batched_rows, worst_row
from engine.ops.control.subtape import cost_of_runs

ANDERSON = Attribute("anderson", SIZE, 0, "how many past steps are mixed into the next one; 0: none")


def _run(
    xp: Any,
    x: Any,
    *constants: Any,
    function: Any,
    rows: int,
    tolerance: float,
    max_steps: int,
    anderson: int,
) -> Any:
    shape = x.shape
    if not x.size:
        return xp.zeros_like(x)
    flat = (prod(shape[:rows]), prod(shape[rows:]))
    x = xp.reshape(x, flat)
    going = xp.ones((flat[0],), dtype=xp.bool)
    mixing = _Mixing(xp, min(anderson, flat[1]))
    moved = xp.full_like(x, xp.inf)
    for _ in range(max_steps):
        new = xp.reshape(function([xp.reshape(x, shape), *constants])[0], flat)
        moved = xp.abs(new - x)
        far = xp.any(moved > (xp.abs(new) + 1) * tolerance, axis=1)  # not so for NaN, which stays
        following = mixing.following(x, new)
        x = xp.where(going[:, None], xp.where(far[:, None], following, new), x)
        going = going & far
        if not xp.item(xp.any(going)):
            return xp.reshape(x, shape)
    where, size = worst_row(xp, going, xp.max(moved, axis=1))
    raise OverLimit(
        f"no fixed point after {max_steps} steps{where}: the last moved by {size}",
        hint="the function has to contract; start nearer, raise max_steps, or mix steps with anderson",
    )


class _Mixing:
    """Differences of the last steps: of the images of the points, and of the residuals."""

    def __init__(self, xp: Any, memory: int) -> None:
        self.xp, self.memory = xp, memory
        self.images: list[Any] = []
        self.moves: list[Any] = []
        self.before: tuple[Any, Any] | None = None

    def following(self, x: Any, new: Any) -> Any:
        """The next point: `new`, mixed with the images of earlier points."""
        if not self.memory:
            return new
        xp, move = self.xp, new - x
        if self.before is not None:
            self.images = [*self.images, new - self.before[0]][-self.memory :]
            self.moves = [*self.moves, move - self.before[1]][-self.memory :]
        self.before = (new, move)
        if not self.moves:
            return new
        moves, images = xp.stack(self.moves, axis=1), xp.stack(self.images, axis=1)
        mirrored = gmres.conjugate(xp, moves)
        gram = xp.matmul(mirrored, xp.permute_dims(moves, (0, 2, 1)))
        scale = xp.max(xp.abs(gram), axis=(1, 2), keepdims=True)
        tiny = xp.where(scale > 0, scale, xp.ones_like(scale)) * (4 * float(xp.finfo(x.dtype).eps))
        ridge = xp.eye(gram.shape[1], dtype=x.dtype) * tiny
        weights = xp.solve(gram + ridge, xp.matmul(mirrored, move[:, :, None]))
        mixed = new - xp.matmul(xp.permute_dims(weights, (0, 2, 1)), images)[:, 0, :]
        return xp.where(xp.all(xp.isfinite(mixed), axis=1, keepdims=True), mixed, new)


def _cost(
    types: Sequence[TensorType],
    outputs: Sequence[TensorType],
    *,
    function: Tape,
    rows: int,
    max_steps: int,
    anderson: int,
    **_: Any,
) -> Cost:
    x = types[0]
    inner = cost_of_runs(function, max_steps)
    mixed = max_steps * x.size * (2 * anderson * anderson + 6 * anderson + 6)
    memory = inner.workspace + (6 + 4 * anderson) * x.nbytes
    return Cost(inner.flops + mixed, inner.bytes + mixed, memory, inner.slow)


def _link(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
    expect_inputs(attributes["function"], sizes, inputs, "the unknown, then the constants")


def _bind(specialize: Specialize, attributes: Mapping[str, Any], types: Types) -> dict[str, Any]:
    return {"function": specialize(attributes["function"], [TensorType(t.shape, t.dtype) for t in types])}


find_fixed_point = define(
    "find_fixed_point",
    family=CONTROL,
    summary="The x that function(x, constants…) leaves as it is, by repeating it from a start.",
    forward=_run,
    infer=lambda types, **_: (TensorType(types[0].shape, types[0].dtype),),
    batch=batched_rows,
    functions=FunctionRule(_link, lambda attributes, sizes: 1, _bind),
    vjp=SOLUTION,
    kinds="any",
    promote=False,
    variadic=True,
    minimum=0,
    cost=_cost,
    attributes=(
        Attribute("function", FUNCTION, doc="f(x, constants…)"),
        Attribute("rows", SIZE, 0, "how many leading axes number independent iterations"),
        Attribute("tolerance", NUMBER),
        Attribute("max_steps", SIZE),
        ANDERSON,
    ),
    internal=True,
)

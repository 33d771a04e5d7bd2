"""find_root: damped Newton steps from a start until they are small; rows are independent.

Each step solves J d = -r with the dense Jacobian or, matrix-free, by GMRES to a residual that shrinks with
the steps (Dembo, Eisenstat and Steihaug, 1982), and goes along d as far as the residual falls. No
derivative enters: `root` attaches that of the implicit function theorem.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from engine.dtypes import ITEMSIZE, TensorType
from engine.errors import OverLimit
from engine.ir.attributes import FUNCTION, NUMBER, SIZE, Attribute
from engine.ir.batch_rules import stacked
from engine.ir.cost import Cost
from engine.ir.families import CONTROL, define
from engine.ir.function_rules import FunctionRule, Sizes, Specialize, Types, expect_inputs
from engine.ir.no_gradient import NoGradient
from engine.ir.tape import Tape, Variable
from engine.ops.control import gmres
from engine.ops.control.linear_solve import LINEAR, cost_of_solve
from engine.ops.control.subtape import cost_of_runs
from engine.transforms.vmap import batch

SOLUTION = NoGradient(
    "stop",
    "stop_gradient",
    "a solution does not depend on where the search for it started",
    "Differentiate by the other inputs of the function.",
    covered=True,
)
HALVINGS = 40
FALL = 1e-4  # of the decrease that the slope promises (Armijo)
LOOSE = 1e-2  # relative residual of the first linear systems
USEFUL = 0.1  # a small step proves nothing where its system was solved worse than this
HOPELESS = 0.9  # a step that solves its system no better leads nowhere


def worst_row(xp: Any, still: Any, measure: Any) -> tuple[str, str]:
    """Which of several rows has not ended, and its measure, in words."""
    row = xp.item(xp.argmax(xp.astype(still, xp.int64)))
    where = "" if still.shape[0] == 1 else f" in row {row}"
    return where, f"{xp.item(measure[row]):.3g}"


@dataclass(slots=True)
class _Search:
    """The state of the rows: points, residuals, residuals of the linear systems, which rows continue.

    `direction(x, right, target)` returns a step and the relative residual of each row's linear system.
    """

    xp: Any
    residual: Callable[[Any], Any]
    direction: Callable[[Any, Any, float], tuple[Any, Any]]
    tolerance: float
    x: Any
    r: Any = None
    linear_residual: Any = None
    going: Any = None

    def run(self, max_steps: int) -> Any:
        """The solutions; raises OverLimit where there is none to be found. NaN where the residual is NaN."""
        xp, relative = self.xp, LOOSE**0.5
        self.r = self.residual(self.x)
        self.going = xp.ones((self.x.shape[0],), dtype=xp.bool)
        for step in range(max_steps):
            self._drop()
            if xp.item(xp.any(self.going)):
                relative = self._step(step + 1, min(LOOSE, relative**2))
            if not xp.item(xp.any(self.going)):
                return self.x
        raise self._failure(self.going, "steps run out", max_steps)

    def _drop(self) -> None:
        """Rows whose residual is zero, or is not a number, have no step to take."""
        xp = self.xp
        self.going = self.going & xp.any(self.r != 0, axis=1)
        lost = self.going & ~xp.all(xp.isfinite(self.r), axis=1)
        self.x = xp.where(lost[:, None], xp.full_like(self.x, xp.nan), self.x)
        self.going = self.going & ~lost

    def _step(self, number: int, relative: float) -> float:
        """One step of every row that goes; answers how large the largest was, relative to 1 + |x|."""
        xp = self.xp
        right = xp.where(self.going[:, None], -self.r, xp.zeros_like(self.r))
        d, self.linear_residual = self.direction(self.x, right, relative)
        wrong = self.going & ~(xp.all(xp.isfinite(d), axis=1) & (self.linear_residual < HOPELESS))
        if xp.item(xp.any(wrong)):
            raise self._failure(wrong, "the Jacobian is singular or ill-conditioned", number)
        d = xp.where(self.going[:, None], d, xp.zeros_like(d))
        moved = xp.abs(d) / (1 + xp.abs(self.x + d))
        size = xp.max(xp.where(self.going[:, None], moved, xp.zeros_like(moved)), axis=1)
        t = self._length(number, d, size)
        self.x = xp.where(self.going[:, None], self.x + t[:, None] * d, self.x)
        self.r = self.residual(self.x)
        self.going = self.going & ~((size <= self.tolerance) & (self.linear_residual <= USEFUL))
        return float(xp.item(xp.max(size)))

    def _length(self, number: int, d: Any, size: Any) -> Any:
        """How far along `d`, by halving: 1 where the residual falls, or where the step hardly moves."""
        xp = self.xp
        t = xp.ones_like(size)
        before = gmres.norm(xp, self.r)
        free = ~self.going | (size <= float(xp.finfo(d.dtype).eps) ** 0.5)
        short = ~free
        for _ in range(HALVINGS):
            after = gmres.norm(xp, self.residual(self.x + t[:, None] * d))
            short = ~free & ~(after <= (1 - FALL * t) * before)  # NaN is no fall either
            if not xp.item(xp.any(short)):
                return t
            t = xp.where(short, t / 2, t)
        raise self._failure(short, "the residual falls no further along the step", number)

    def _failure(self, rows: Any, what: str, number: int) -> OverLimit:
        xp = self.xp
        where, norm = worst_row(xp, rows, gmres.norm(xp, self.r))
        hint = "start nearer a root, or raise max_steps; there may be none"
        if self.linear_residual is not None and xp.item(xp.any(rows & ~(self.linear_residual <= USEFUL))):
            _, residual = worst_row(xp, rows, self.linear_residual)
            hint = (
                f"the last linear system was solved to a relative residual of {residual} only: raise "
                "linear_steps, scale the equations, or give a bandwidth to precondition with"
            )
        return OverLimit(f"no root{where}: {what}; at step {number} the residual's norm is {norm}", hint=hint)


def _run(
    xp: Any,
    x: Any,
    *constants: Any,
    residual: Any,
    jacobian: Any,
    product: Any,
    rows: int,
    tolerance: float,
    max_steps: int,
    linear_tolerance: float | None,
    linear_steps: int,
    bandwidth: int | None,
) -> Any:
    shape = x.shape
    count, unknowns = prod(shape[:rows]), prod(shape[rows:])
    if not x.size:
        return xp.zeros_like(x)

    def flat(values: Any) -> Any:
        return xp.reshape(values, (count, unknowns))

    def value(x: Any) -> Any:
        return flat(residual([xp.reshape(x, shape), *constants])[0])

    def dense(x: Any, right: Any, relative: float) -> tuple[Any, Any]:
        matrix = jacobian([xp.reshape(x, shape), *constants])[0]
        d = xp.solve(xp.reshape(matrix, (count, unknowns, unknowns)), right[:, :, None])[:, :, 0]
        return d, xp.zeros_like(gmres.norm(xp, right))

    def free(x: Any, right: Any, relative: float) -> tuple[Any, Any]:
        own = xp.reshape(x, shape)

        def along(v: Any) -> Any:
            return flat(product([xp.reshape(v, shape), own, *constants])[0])

        inverse = None if bandwidth is None else gmres.band(xp, along, right, bandwidth)
        target = max(gmres.tolerances(xp, x.dtype, linear_tolerance)[0], relative)
        solved = gmres.gmres(xp, along, right, target=target, steps=linear_steps, inverse=inverse)
        return solved.x, solved.residual

    search = _Search(xp, value, free if jacobian is None else dense, tolerance, flat(x))
    return xp.reshape(search.run(max_steps), shape)


def _cost(
    types: Sequence[TensorType],
    outputs: Sequence[TensorType],
    *,
    residual: Tape,
    jacobian: Tape | None,
    product: Tape | None,
    rows: int,
    max_steps: int,
    linear_steps: int,
    bandwidth: int | None,
    **_: Any,
) -> Cost:
    x = types[0]
    if jacobian is not None:
        count, unknowns = prod(x.shape[:rows]), prod(x.shape[rows:])
        formed = cost_of_runs(jacobian, max_steps)
        factors = max_steps * count * (2 * unknowns**3 // 3 + 2 * unknowns**2)
        memory = formed.workspace + 2 * count * unknowns**2 * ITEMSIZE[x.dtype]
        inner = Cost(formed.flops + factors, formed.bytes, memory, formed.slow)
    else:
        assert product is not None
        inner = cost_of_solve(x, product, rows, linear_steps, bandwidth, max_steps)
    own = cost_of_runs(residual, 2 * max_steps)
    memory = inner.workspace + own.workspace + 8 * x.nbytes
    return Cost(inner.flops + own.flops, inner.bytes + own.bytes, memory, inner.slow + own.slow)


def batched_rows(
    op: Any, xs: Sequence[Variable], batched: Sequence[bool], n: int, *, rows: int, **rest: Any
) -> Variable:
    """One search for all rows, whose start is `xs[0]`."""
    x, *constants = xs
    answer: Variable = x.tape.apply(
        op, [stacked(x, batched[0], n), *constants], {**_rows_of(rest, batched, n), "rows": rows + 1}
    )
    return answer


def _rows_of(settings: Mapping[str, Any], batched: Sequence[bool], n: int) -> dict[str, Any]:
    """The attributes with every function for all rows: those of (x, constants…) or of (v, x, constants…)."""
    flags = [True, *batched[1:]]

    def many(tape: Tape) -> Tape:
        own = [True, *flags] if len(tape.inputs) > len(flags) else flags
        return batch(tape, [name for name, flag in zip(tape.inputs, own, strict=True) if flag], n)

    return {key: many(value) if isinstance(value, Tape) else value for key, value in settings.items()}


def _link(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
    for key, own in (("residual", inputs), ("jacobian", inputs), ("product", inputs + 1)):
        if attributes.get(key) is not None:
            expect_inputs(attributes[key], sizes, own, "the unknown, then the constants")


def _bind(specialize: Specialize, attributes: Mapping[str, Any], types: Types) -> dict[str, Any]:
    own = [TensorType(t.shape, t.dtype) for t in types]
    signatures = {"residual": own, "jacobian": own, "product": [own[0], *own]}
    return {
        key: specialize(attributes[key], inputs)
        for key, inputs in signatures.items()
        if attributes.get(key) is not None
    }


find_root = define(
    "find_root",
    family=CONTROL,
    summary="The x where residual(x, constants…) is zero, by damped Newton steps from a start.",
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
        Attribute("residual", FUNCTION, doc="r(x, constants…)"),
        Attribute("jacobian", FUNCTION, None, "dr/dx as a matrix", nullable=True),
        Attribute("product", FUNCTION, None, "dr/dx times v: p(v, x, constants…)", nullable=True),
        Attribute("rows", SIZE, 0, "how many leading axes number independent equations"),
        Attribute("tolerance", NUMBER),
        Attribute("max_steps", SIZE),
        *LINEAR,
    ),
    internal=True,
)

"""Shared by the tests of the table: arrays for a sample, its tape, a checked run, finite differences."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engine import arrays, dtypes
from engine.dtypes import TensorType
from engine.ir.no_gradient import NoGradient
from engine.ir.op import Op
from engine.ir.samples import Domain, Sample
from engine.ir.table import TABLE
from engine.ir.tape import Tape, Variable
from engine.passes import lower
from engine.runtime.executors.bound import runnable
from engine.runtime.executors.numpy import BoundPlan, run_tape
from engine.runtime.plan import make_plan
from engine.transforms.vjp import backward

Array = np.ndarray[Any, Any]


def arrays_of(op: Op, sample: Sample, dtype: str = "float64") -> list[Array]:
    """An array for each input of a sample: literal values as they are, shapes filled from the domain.

    Complex ones are drawn from the domain with imaginary parts of their own; literal values are turned, row
    by row and column by column, so that zeros stay zeros and singular matrices singular.
    """
    rng = np.random.default_rng(zlib.crc32(f"{op.name}{sample}".encode()))
    answer = []
    for position, given in enumerate(sample.inputs):
        kind = op.input(position).kind
        wanted = {"index": "int64", "integer": "int64", "boolean": "bool"}.get(kind, dtype)
        if not isinstance(given, tuple):
            literal = np.array(given, dtype=wanted)
            turned = literal * _turns(literal.shape) if dtypes.is_complex(wanted) else literal
            answer.append(np.asarray(turned, wanted))
        elif kind == "boolean":
            answer.append(np.asarray(rng.random(given) < 0.5))
        elif dtypes.is_integer(wanted):
            answer.append(rng.integers(0, 3, given).astype(wanted))
        else:
            values = drawn(rng, given, op.samples.domain_of(position))
            if dtypes.is_complex(wanted):
                values = values + 1j * drawn(rng, given, IMAGINARY)
            answer.append(np.asarray(values, wanted))
    return answer


IMAGINARY = Domain(-0.9, 0.9, away_from_zero=0.2)  # off every branch cut


def _turns(shape: tuple[int, ...]) -> Array:
    """Phases, a product over the last two axes."""
    angles = np.zeros(shape)
    for axis in range(-min(len(shape), 2), 0):
        steps = 0.25 * np.cos(2.0 * np.arange(shape[axis]) - axis)
        angles = angles + steps.reshape((-1, *(1,) * (-axis - 1)))
    return np.exp(1j * angles) if shape else np.asarray(np.exp(0.3j))


def drawn(rng: np.random.Generator, shape: tuple[int, ...], domain: Domain) -> Array:
    """Evenly from the domain, keeping away from zero."""
    values = rng.uniform(domain.low, domain.high, shape)
    near = np.abs(values) < domain.away_from_zero
    pushed = np.copysign(domain.away_from_zero + np.abs(values), values)
    return np.asarray(np.where(near, np.clip(pushed, domain.low, domain.high), values))


def record(op: Op, given: Sequence[Array], attributes: Mapping[str, Any]) -> tuple[Tape, list[Variable]]:
    """The op on a tape with an input for each array; its outputs are the tape's."""
    tape = Tape()
    variables = [tape.input(f"x{i}", TensorType(a.shape, a.dtype.name)) for i, a in enumerate(given)]
    answer = tape.apply(op, variables, attributes)
    outputs = list(answer) if isinstance(answer, tuple) else [answer]
    tape.outputs = [output.slot for output in outputs]
    return tape, outputs


def named(given: Sequence[Array], prefix: str = "x") -> dict[str, Array]:
    return {f"{prefix}{i}": array for i, array in enumerate(given)}


def run_checked(tape: Tape, inputs: Mapping[str, Array]) -> list[Array]:
    """Run instruction by instruction: every type as inferred, every view declared, nothing else written."""
    values: dict[int, Array] = dict(tape.constants)
    for name, slot in tape.inputs.items():
        values[slot] = inputs[name]
    for step in tape.instructions:
        operands = [values[slot] for slot in step.inputs]
        if step.op.kernel.in_place:
            operands[0] = np.array(operands[0])
        for operand in operands[1 if step.op.kernel.in_place else 0 :]:
            operand.flags.writeable = False
        assert step.op.kernel.forward is not None, f"{step.op.name} was not expanded"
        xp = arrays.numpy_namespace()
        attributes = runnable(step, (True,) * len(step.outputs), xp)
        with np.errstate(all="ignore"):
            answer = step.op.kernel.forward(xp, *operands, **attributes)
        single = step.op.outputs is not None and len(step.op.outputs) == 1
        results = [np.asarray(r) for r in ((answer,) if single else answer)]
        for slot, result in zip(step.outputs, results, strict=True):
            inferred = tape.types[slot]
            assert (result.shape, result.dtype.name) == (inferred.shape, inferred.dtype), (
                f"{step.op.name} {step.attributes}: inferred {inferred}, got {result.dtype}{result.shape}"
            )
            shared = [i for i, operand in enumerate(operands) if np.shares_memory(result, operand)]
            allowed = [0] if step.op.kernel.in_place or step.op.kernel.is_view(step.attributes) else []
            assert set(shared) <= set(allowed), f"{step.op.name} shares memory with inputs {shared}"
            values[slot] = result
    return [values[slot] for slot in tape.outputs]


class Derivative:
    """The first derivative of an op at a sample: a tape from inputs and cotangents to the inputs' cotangents.

    `wrt` are the names of its floating inputs, cotangents included, so that the derivative of this
    tape is the second derivative with respect to the inputs and the adjoint of the first.
    """

    def __init__(self, op: Op, given: Sequence[Array], attributes: Mapping[str, Any]) -> None:
        self.tape, outputs = record(op, given, attributes)
        floating = [output for output in outputs if dtypes.is_inexact(output.dtype)]
        seeds = {v.slot: self.tape.input(f"g{i}", v.type) for i, v in enumerate(floating)}
        rng = np.random.default_rng(1)
        weights = [weight(rng, output.shape, output.dtype) for output in floating]
        self.inputs = {**named(given), **named(weights, "g")}
        self.wrt = [f"x{i}" for i, a in enumerate(given) if differentiable(op, i, a)]
        self.forward = [output.slot for output in floating]
        slots = {name: self.tape.inputs[name] for name in self.wrt}
        found = backward(self.tape, seeds, slots.values())
        self.cotangents = {name: found.get(slot) for name, slot in slots.items()}


def weight(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    """A cotangent that lets nothing cancel."""
    values = rng.uniform(0.5, 1.5, shape)
    return np.asarray(values + 1j * rng.uniform(-1, 1, shape) if dtypes.is_complex(dtype) else values, dtype)


def differentiable(op: Op, position: int, array: Array) -> bool:
    """Whether an input carries a gradient."""
    stands_in = op.derivative.complex_rule is not None and dtypes.is_complex(array.dtype.name)
    own = TABLE[op.derivative.complex_rule] if stands_in else op  # type: ignore[index]  # it is named
    return not isinstance(own.input(position).vjp, NoGradient) and dtypes.is_inexact(array.dtype.name)


def projection(tape: Tape, slots: Sequence[int], weights: Sequence[Array]) -> Callable[..., float]:
    """Re Σ weight · value of slot, without a conjugate, as a function of the tape's inputs."""
    view = Tape(tape.types, tape.inputs, tape.constants, tape.instructions, list(slots))
    plan = BoundPlan(make_plan(lower(view)))

    def value(inputs: Mapping[str, Array]) -> float:
        return float(sum((w * y).sum().real for w, y in zip(weights, plan.run(inputs), strict=True)))

    return value


def differences(f: Callable[..., float], inputs: Mapping[str, Array], name: str, step: float = 1e-5) -> Array:
    """Central differences of a real function: d/dx of a real input, d/dRe x - i d/dIm x of a complex one."""
    x = inputs[name]
    answer = np.zeros_like(x)

    def slope(place: tuple[int, ...], way: complex) -> float:
        values = []
        for sign in (1, -1):
            moved = x.copy()
            moved[place] += sign * step * way
            values.append(f({**inputs, name: moved}))
        return (values[0] - values[1]) / (2 * step)

    for place in np.ndindex(x.shape):
        answer[place] = slope(place, 1)
        if x.dtype.kind == "c":
            answer[place] -= 1j * slope(place, 1j)
    return answer


def compare(
    tape: Tape,
    slots: Sequence[int],
    weights: Sequence[Array],
    inputs: Mapping[str, Array],
    derivatives: Mapping[str, Variable | None],
) -> None:
    """Demand that derivatives of the projection of `slots` agree with finite differences."""
    f = projection(tape, slots, weights)
    for name, variable in derivatives.items():
        expected = differences(f, inputs, name)
        got = np.zeros_like(expected) if variable is None else value_of(tape, variable, inputs)
        scale = max(1.0, float(np.abs(expected).max(initial=0)))
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-7 * scale, err_msg=f"d/d{name}")


def value_of(tape: Tape, variable: Variable, inputs: Mapping[str, Array]) -> Array:
    """The value of one variable of a tape."""
    view = Tape(tape.types, tape.inputs, tape.constants, tape.instructions, [variable.slot])
    return run_tape(view, inputs)[0]


def check_first(op: Op, given: Sequence[Array], attributes: Mapping[str, Any]) -> Derivative:
    """The first derivative against finite differences."""
    first = Derivative(op, given, attributes)
    weights = [first.inputs[f"g{i}"] for i in range(len(first.forward))]
    compare(first.tape, first.forward, weights, first.inputs, first.cotangents)
    return first


def check_second(op: Op, given: Sequence[Array], attributes: Mapping[str, Any]) -> Derivative:
    """The derivatives of the first derivative, by inputs and cotangents, against finite differences."""
    first, found, second = _second(op, given, attributes)
    weights = [first.inputs[f"h{i}"] for i in range(len(found))]
    compare(first.tape, [v.slot for v in found], weights, first.inputs, second)
    first.tape.outputs = [v.slot for v in (*found, *second.values()) if v is not None]
    return first


def second_of(op: Op, given: Sequence[Array], attributes: Mapping[str, Any]) -> list[Array]:
    """The values of the second derivatives that exist."""
    first, _, second = _second(op, given, attributes)
    first.tape.outputs = [v.slot for v in second.values() if v is not None]
    return run_tape(first.tape, first.inputs)


def _second(
    op: Op, given: Sequence[Array], attributes: Mapping[str, Any]
) -> tuple[Derivative, list[Variable], dict[str, Variable | None]]:
    """The first derivative, its cotangents, and the derivatives of their weighted sum by name."""
    first = Derivative(op, given, attributes)
    tape, rng = first.tape, np.random.default_rng(2)
    found = [v for v in first.cotangents.values() if v is not None]
    first.inputs |= named([weight(rng, v.shape, v.dtype) for v in found], "h")
    seeds: dict[int, Variable] = {}
    for i, v in enumerate(found):  # one slot may be the cotangent of several inputs
        seed = tape.input(f"h{i}", v.type)
        seeds[v.slot] = seeds[v.slot] + seed if v.slot in seeds else seed
    wrt = [name for name in first.inputs if name in first.wrt or name.startswith("g")]
    slots = {name: tape.inputs[name] for name in wrt}
    again = backward(tape, seeds, slots.values())
    return first, found, {name: again.get(slot) for name, slot in slots.items()}


def bound_attributes(op: Op, given: Sequence[Array], sample: Sample) -> Mapping[str, Any]:
    """The attributes as the kernel gets them: parsed and normalised."""
    tape, _ = record(op, given, sample.attributes)
    return next(step.attributes for step in tape.instructions if step.op is op)


class Scalars:
    """The functions of a scalar form, on single numbers."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(arrays.numpy_namespace(), name)

        def on_numbers(*args: Any, **attributes: Any) -> Any:
            answer = np.asarray(function(*args, **attributes))
            assert answer.ndim == 0, f"{name} of numbers answered shape {answer.shape}"
            return answer[()]

        return on_numbers

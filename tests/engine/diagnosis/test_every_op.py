"""Every op is diagnosed on its samples, with ordinary values and with bad ones, and always has a reason."""

import numpy as np
import pytest

import engine.ops.control  # noqa: F401  # fills the table
from engine import dtypes
from engine.diagnosis import Diagnosis, Graphing
from engine.errors import DerivativeNotImplemented
from engine.ir.table import TABLE, F
from engine.runtime.executors.numpy import run_tape
from engine.transforms.vjp import backward, ones
from tests.engine.sampling import arrays_of, named, record

BAD = {"zeros": 0.0, "NaN": np.nan, "infinity": np.inf, "huge": 1e300, "tiny": 1e-300, "negative": -3.0}


def floating_outputs(op, sample):
    """The tape of a sample, its arrays, and the outputs that carry a gradient."""
    given = arrays_of(op, sample)
    tape, outputs = record(op, given, sample.attributes)
    return tape, named(given), [y for y in outputs if dtypes.is_floating(y.dtype)]


def differentiable(op):
    """Samples of an op that has a gradient at all."""
    return [sample for sample in op.samples.cases[:3] if floating_outputs(op, sample)[2]]


OPS = [op for op in TABLE.values() if not op.internal and differentiable(op)]
every_op = pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)


def examined(op, sample):
    """The tape of the sum of an op's outputs, that sum, an examination of it, and the sample's arrays."""
    tape, inputs, floating = floating_outputs(op, sample)
    target = sum((F.sum(y) for y in floating[1:]), start=F.sum(floating[0]))
    names = {slot: name for name, slot in tape.inputs.items()}
    variables = {
        name: slot for name, slot in tape.inputs.items() if dtypes.is_floating(tape.types[slot].dtype)
    }
    graph = Graphing(tape, tuple(tape.instructions), {})
    return tape, target, Diagnosis(graph, names, variables, "target", target.slot), inputs


@every_op
def test_adjoints_are_those_of_the_walk_and_sizes_bound_them(op):
    for sample in differentiable(op):
        tape, target, examination, inputs = examined(op, sample)
        live = {name: examination.variables[name] for name in examination.live}
        try:
            look = examination.look(inputs)
            adjoints = backward(tape, {target.slot: ones(tape, target)}, live.values())
        except DerivativeNotImplemented:
            pytest.skip("not implemented")
        tape.outputs = [adjoints[slot].slot for slot in live.values()]
        for slot, walked in zip(live.values(), run_tape(tape, inputs), strict=True):
            adjoint, size = look.sweep.adjoint(slot), look.sweep.size(slot)
            np.testing.assert_allclose(adjoint, walked, rtol=1e-9, atol=1e-12)
            assert (np.abs(adjoint) <= size * (1 + 1e-9) + 1e-300).all()


@pytest.mark.parametrize(
    ("op", "samples"),
    [
        *(pytest.param(op, slice(0, 1), id=op.name) for op in OPS),
        *(pytest.param(op, slice(1, None), id=f"{op.name}-more", marks=pytest.mark.slow) for op in OPS),
    ],
)
def test_bad_values_are_explained(op, samples):
    for sample in differentiable(op)[samples]:
        _, _, examination, inputs = examined(op, sample)
        for value in BAD.values():
            spoiled = {n: np.full_like(a, value) if a.dtype.kind == "f" else a for n, a in inputs.items()}
            try:
                look = examination.look(spoiled)
            except DerivativeNotImplemented:
                pytest.skip("not implemented")
            for name in examination.live:
                gradient = look.sweep.adjoint(examination.variables[name])
                told = examination.entry(name, gradient, lambda look=look: look)
                assert told["message"].endswith(".")
                if told["status"] != "ok":
                    assert told["reason"], told
                    assert told["culprits"][0]["count"] > 0

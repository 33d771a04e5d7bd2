"""Cells as ops: one step (`lstm_cell`), and over the steps of a sequence (`lstm`), as a scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.errors import ShapeMismatch
from engine.ir.attributes import BOOLEAN, Attribute, choice
from engine.ir.families import composite
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ir.tape import Tape
from engine.ops.nn.recurrent.cells import Cell, Gru, Lstm, Simple, check, inputs_part

_WEIGHTS = (
    "kernel (features, gates units), recurrent_kernel (units, gates units), bias (gates units), as in Keras. "
)


def _state(state: Any, lead: tuple[int, ...], units: int, dtype: str) -> Any:
    """A first state for each sample: a number or a row is that of all."""
    return state.astype(dtype).broadcast_to((*lead, units))


def _one_step(cell: Cell, x: Any, states: Sequence[Any], kernel: Any, recurrent: Any, bias: Any) -> Any:
    units = check(cell, x, kernel, recurrent, bias)
    projected, own = inputs_part(cell, x, kernel, bias)
    states = [_state(state, x.shape[:-1], units, projected.dtype) for state in states]
    after = cell.step(projected, states, recurrent, own)
    return after if len(after) > 1 else after[0]


def _over_steps(
    cell: Cell, x: Any, states: Sequence[Any], kernel: Any, recurrent: Any, bias: Any, reverse: bool
) -> Any:
    if x.ndim < 2:
        raise ShapeMismatch(
            f"expected (..., steps, features), got shape {x.shape}", hint="expand_dims can add an axis"
        )
    units = check(cell, x, kernel, recurrent, bias)
    projected, own = inputs_part(cell, x, kernel, bias)
    lead = x.shape[:-2]
    first = [_state(state, lead, units, projected.dtype) for state in states]
    steps = F.moveaxis(projected, source=-2, destination=0)
    constants = [recurrent] if own is None else [recurrent, own]
    body = _body(cell, [s.type for s in first], steps.type, [c.type for c in constants])
    answers = F.scan(
        *first, steps, *constants, body=body, carry=len(first), scanned=1, reverse=reverse, length=None
    )
    *last, sequence = answers
    return (F.moveaxis(sequence, source=0, destination=-2), *last)


def _body(
    cell: Cell, states: Sequence[TensorType], steps: TensorType, constants: Sequence[TensorType]
) -> Tape:
    """One step as a function of the states, what the inputs add to the gates, and the weights."""
    tape = Tape()
    before = [tape.input(f"s{k}", TensorType(type.shape, type.dtype)) for k, type in enumerate(states)]
    projected = tape.input("x", TensorType(steps.shape[1:], steps.dtype))
    weights = [tape.input(f"w{k}", TensorType(type.shape, type.dtype)) for k, type in enumerate(constants)]
    after = cell.step(projected, before, weights[0], weights[1] if len(weights) > 1 else None)
    tape.outputs = [state.slot for state in (*after, after[0])]
    return tape


_REVERSE = Attribute(
    "reverse", BOOLEAN, False, "whether the last step comes first; results keep their places"
)
_ACTIVATION = Attribute("activation", choice("tanh", "relu"), "tanh")
_RESET = Attribute(
    "reset_after", BOOLEAN, True, "whether the reset gate comes behind the product, as in PyTorch"
)


def _weights(gates: int, biases: int = 1) -> tuple[Any, ...]:
    return (3, 2 * gates), (2, 2 * gates), (2 * gates,) if biases == 1 else (biases, 2 * gates)


def _pair(name: str, what: str, one: Any, over: Any, **fields: Any) -> None:
    """The op of one step and the op of a sequence."""
    states: int = fields.pop("states")
    samples: Callable[[tuple[int, ...], bool], tuple[Sample, ...]] = fields.pop("samples")
    attributes: tuple[Attribute, ...] = fields.pop("attributes")
    order: str = fields.pop("order")
    names = ("h", "c")[:states]
    composite(
        f"{name}_cell",
        summary=f"One step of {what}: the next {'state' if states == 1 else 'states'}.",
        formula=one,
        kinds="real_floating",
        outputs=names,
        attributes=attributes,
        samples=samples((2, 3), False),
        conventions=f"x is (..., features). {_WEIGHTS}{order}",
        **fields,
    )
    composite(
        name,
        summary=f"{what[0].upper()}{what[1:]} over the steps of a sequence: all h, and the last "
        f"{'state' if states == 1 else 'states'}.",
        formula=over,
        kinds="real_floating",
        outputs=("sequence", *names),
        attributes=(*attributes, _REVERSE),
        samples=samples((2, 4, 3), True),
        conventions=f"x is (..., steps, features). {_WEIGHTS}{order}",
        **fields,
    )


def _simple_samples(x: tuple[int, ...], reverse: bool) -> tuple[Sample, ...]:
    back = {"reverse": True} if reverse else {}
    return Sample((x, (2, 2), *_weights(1))), Sample(
        (x[1:], (), *_weights(1)), {"activation": "relu", **back}
    )


_pair(
    "simple_rnn",
    "a simple recurrent cell",
    lambda x, h, kernel, recurrent_kernel, bias, *, activation: _one_step(
        Simple(activation), x, [h], kernel, recurrent_kernel, bias
    ),
    lambda x, h, kernel, recurrent_kernel, bias, *, activation, reverse: _over_steps(
        Simple(activation), x, [h], kernel, recurrent_kernel, bias, reverse
    ),
    states=1,
    attributes=(_ACTIVATION,),
    samples=_simple_samples,
    order="There is one gate.",
)


def _lstm_samples(x: tuple[int, ...], reverse: bool) -> tuple[Sample, ...]:
    back = {"reverse": True} if reverse else {}
    return Sample((x, (2, 2), (2, 2), *_weights(4))), Sample((x[1:], (2,), (), *_weights(4)), back)


_pair(
    "lstm",
    "a long short-term memory",
    lambda x, h, c, kernel, recurrent_kernel, bias: _one_step(
        Lstm(), x, [h, c], kernel, recurrent_kernel, bias
    ),
    lambda x, h, c, kernel, recurrent_kernel, bias, *, reverse: _over_steps(
        Lstm(), x, [h, c], kernel, recurrent_kernel, bias, reverse
    ),
    states=2,
    attributes=(),
    samples=_lstm_samples,
    order="The gates are i, f, c and o; PyTorch's weights are these transposed, its two biases added.",
)


def _gru_samples(x: tuple[int, ...], reverse: bool) -> tuple[Sample, ...]:
    back = {"reverse": True} if reverse else {}
    return (
        Sample((x, (2, 2), *_weights(3, 2))),
        Sample((x[1:], (), *_weights(3)), {"reset_after": False, **back}),
    )


_pair(
    "gru",
    "a gated recurrent unit",
    lambda x, h, kernel, recurrent_kernel, bias, *, reset_after: _one_step(
        Gru(reset_after), x, [h], kernel, recurrent_kernel, bias
    ),
    lambda x, h, kernel, recurrent_kernel, bias, *, reset_after, reverse: _over_steps(
        Gru(reset_after), x, [h], kernel, recurrent_kernel, bias, reverse
    ),
    states=1,
    attributes=(_RESET,),
    samples=_gru_samples,
    order="The gates are z, r and h, PyTorch's are r, z and n. With reset_after the bias is (2, 3 units).",
)

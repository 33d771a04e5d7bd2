"""Derivatives as nodes inside graphs: gradient, vjp, jvp, jacobian and hessian of a function.

Each is a composite: the function is played onto the tape and walked there, so the answer is made of
ordinary instructions and can be differentiated again, to any order. Complex cotangents go in and come out
as users see them, conjugates of what the walk takes and answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.dtypes import TensorType, is_complex, is_floating, is_inexact
from engine.errors import (
    DtypeMismatch,
    IndexOutOfRange,
    InvalidAttribute,
    InvalidTarget,
    NotHolomorphic,
    ShapeMismatch,
)
from engine.ir.attributes import FUNCTION, INTS, Attribute
from engine.ir.families import composite
from engine.ir.function_rules import FunctionRule, Sizes, Specialize, Types, expect_inputs, outputs_of
from engine.ir.op import Op
from engine.ir.table import TABLE, F
from engine.ir.tape import Tape, Variable
from engine.ops.control.subtape import Body, inexact
from engine.transforms.holomorphy import first_not_holomorphic
from engine.transforms.jvp import forward
from engine.transforms.vjp import backward, ones, zeros
from engine.transforms.vmap import batch

_FUNCTION = Attribute("function", FUNCTION, doc="the function to differentiate")
_WRT = Attribute(
    "wrt",
    INTS,
    None,
    "the positions of the inputs to differentiate with respect to; all floating ones when absent",
)


def _positions(wrt: int | Sequence[int] | None, types: Types) -> list[int]:
    """The inputs to differentiate by; raises InvalidAttribute, IndexOutOfRange, DtypeMismatch."""
    if wrt is None:
        wrt = inexact(types)
        if not wrt:
            raise DtypeMismatch(
                "none of the inputs is floating, so there is nothing to differentiate by",
                hint="convert an input with astype first",
            )
    if isinstance(wrt, int):
        wrt = [wrt]
    if not wrt:
        raise InvalidAttribute(
            "`wrt` names no input", hint="leave it out for all floating inputs, or name positions"
        )
    for i in wrt:
        if not 0 <= i < len(types):
            raise IndexOutOfRange(
                f"`wrt` names input {i}, and the function has {len(types)}", hint="positions count from 0"
            )
        if not is_inexact(types[i].dtype):
            raise DtypeMismatch(
                f"`wrt` names input {i}, which is {types[i].dtype}",
                hint="only floating and complex inputs have derivatives",
            )
    return list(wrt)


def _scalar(function: Tape) -> None:
    """Raise InvalidTarget unless the function answers one real floating number."""
    outs = outputs_of(function)
    if len(outs) != 1 or outs[0].size != 1 or not is_floating(outs[0].dtype):
        listed = ", ".join(map(str, outs))
        raise InvalidTarget(
            f"the function answers {listed}; a gradient is of one real floating number",
            hint="end the function with sum or mean, or use vjp",
        )


def _walked(
    function: Tape, xs: Sequence[Variable], positions: Sequence[int], seeds: Callable[[list[Variable]], Any]
) -> tuple[Variable, ...]:
    """The function played on fresh slots and walked back to the inputs at `positions`.

    `seeds` and answers are as users see them.
    """
    tape = xs[0].tape
    own = [F.identity(x) for x in xs]
    start = len(tape.instructions)
    answers = [F.identity(y) for y in tape.inline(function, own)]
    cotangents = {slot: seed.conj() for slot, seed in seeds(answers).items()}
    adjoints = backward(tape, cotangents, [own[i].slot for i in positions], since=start)
    return tuple(
        adjoints[own[i].slot].conj() if own[i].slot in adjoints else zeros(tape, own[i]) for i in positions
    )


def _one_or_many(answers: Sequence[Variable]) -> Any:
    return answers[0] if len(answers) == 1 else tuple(answers)


def _gradient(*xs: Variable, function: Tape, wrt: Sequence[int] | None) -> Any:
    _scalar(function)
    positions = _positions(wrt, [x.type for x in xs])
    tape = xs[0].tape
    return _one_or_many(_walked(function, xs, positions, lambda ys: {ys[0].slot: ones(tape, ys[0])}))


def _vjp(*xs: Variable, function: Tape, wrt: Sequence[int] | None) -> Any:
    n = len(function.inputs)
    inputs, cotangents = xs[:n], xs[n:]
    positions = _positions(wrt, [x.type for x in inputs])

    def seeds(ys: list[Variable]) -> dict[int, Variable]:
        return {
            y.slot: _as_direction(c, y.type, "cotangent")
            for y, c in zip(ys, cotangents, strict=True)
            if is_inexact(y.dtype)
        }

    return _one_or_many(_walked(function, inputs, positions, seeds))


def _as_direction(direction: Variable, type: TensorType, word: str) -> Variable:
    if direction.shape != type.shape:
        raise ShapeMismatch(
            f"expected a {word} of shape {type.shape}, got {direction.shape}",
            hint=f"a {word} has the shape of what it belongs to",
        )
    return direction.astype(type.dtype)


def _jvp(*xs: Variable, function: Tape) -> Any:
    n = len(function.inputs)
    inputs, tangents = xs[:n], xs[n:]
    tape = xs[0].tape
    own = [F.identity(x) for x in inputs]
    start = len(tape.instructions)
    answers = [F.identity(y) for y in tape.inline(function, own)]
    moved = {
        x.slot: _as_direction(t, x.type, "tangent")
        for x, t in zip(own, tangents, strict=True)
        if is_inexact(x.dtype)
    }
    reached = forward(tape, moved, tuple(tape.instructions[start:]))
    return _one_or_many([reached[y.slot] if y.slot in reached else zeros(tape, y) for y in answers])


def _jacobian(*xs: Variable, function: Tape, wrt: Sequence[int] | None) -> Any:
    """Blocks out.shape + in.shape: for each output of the function one for each input in `wrt`."""
    positions = _positions(wrt, [x.type for x in xs])
    columns = [_blocks(xs, function, i) for i in positions]
    return _one_or_many([column[k] for k in range(len(function.outputs)) for column in columns])


def _blocks(xs: Sequence[Variable], function: Tape, position: int) -> list[Variable]:
    """Every output by one input: forward or in reverse, whichever takes fewer passes in the one batch.

    Passes forward tell a complex output by a real input, passes back a real output by a complex input.
    """
    x, outs = xs[position], outputs_of(function)
    _require_holomorphic(function, position)
    size = sum(y.size for y in outs if is_inexact(y.dtype))
    complex_outs = [is_complex(y.dtype) for y in outs]
    ahead = size >= x.size or any(complex_outs)
    if is_complex(x.dtype):
        ahead = size >= x.size and all(complex_outs)
    if ahead:
        body = Body()
        arguments = body.inputs([v.type for v in xs])
        tangent = body.input(x.type)
        answers = body.play(function, arguments)
        reached = forward(body.tape, {arguments[position].slot: tangent}, tuple(body.tape.instructions))
        adjoints = [reached.get(y.slot) for y in answers]
        pushed = [zeros(body.tape, y) if t is None else t for y, t in zip(answers, adjoints, strict=True)]
        return [
            F.moveaxis(rows, source=0, destination=-1).reshape((*y.shape, *x.shape)).astype(_as(y, x))
            for rows, y in zip(_rows(body.finish(pushed), xs, x.type), outs, strict=True)
        ]
    blocks = []
    for k, y in enumerate(outs):
        if not is_inexact(y.dtype):
            blocks.append(x.tape.constant(0, x.dtype).broadcast_to((*y.shape, *x.shape)))
            continue
        body = Body()
        arguments = body.inputs([v.type for v in xs])
        cotangent = body.input(y)
        pulled = _walked(function, arguments, [position], lambda ys, k=k, g=cotangent: {ys[k].slot: g})  # type: ignore[misc]  # bound while the loop stands here
        (rows,) = _rows(body.finish(pulled), xs, y)
        derivative = rows.conj() if is_complex(y.dtype) else rows  # of what pulls back as its conjugate
        blocks.append(derivative.reshape((*y.shape, *x.shape)))
    return blocks


def _require_holomorphic(function: Tape, position: int) -> None:
    """Raise NotHolomorphic where a complex output is no holomorphic function of a complex input."""
    slot = list(function.inputs.values())[position]
    if not is_complex(function.types[slot].dtype):
        return
    heads = [head for head in function.outputs if is_complex(function.types[head].dtype)]
    culprit = first_not_holomorphic(function, [slot], heads)
    if culprit is not None:
        raise NotHolomorphic(
            f"there is no complex derivative by input {position}: {culprit.op.name} is not holomorphic",
            hint="let it answer real and imaginary parts, or take a vjp or jvp node",
        )


def _as(y: TensorType, x: Variable) -> str:
    """The dtype of a block: what does not move has the input's."""
    return y.dtype if is_inexact(y.dtype) else x.dtype


def _rows(product: Tape, xs: Sequence[Variable], type: TensorType) -> list[Variable]:
    """What a product, linear in its last input, answers for every unit vector of that input at once."""
    tape = xs[0].tape
    unit = tape.apply(TABLE["eye"], [], {"n_rows": type.size, "dtype": type.dtype})
    rows = batch(product, [list(product.inputs)[-1]], type.size)
    return tape.inline(rows, [*xs, unit.reshape((type.size, *type.shape))])


def _hessian(*xs: Variable, function: Tape, wrt: Sequence[int] | None) -> Any:
    """Of one input, a.shape + a.shape: the gradient's tangents along every unit vector at once."""
    _scalar(function)
    positions = _positions(wrt, [x.type for x in xs])
    if len(positions) != 1:
        raise IndexOutOfRange(
            f"a hessian node is of one input, and there are {len(positions)} to choose from",
            hint='name it, as in "wrt": [0]',
        )
    x = xs[positions[0]]
    if is_complex(x.dtype):
        raise NotHolomorphic(
            f"the Hessian by an input that is {x.dtype} is no matrix of complex numbers",
            hint="split the input in real and imaginary parts, or take the jvp of the gradient",
        )
    body = Body()
    arguments = body.inputs([v.type for v in xs])
    tangent = body.input(x.type)
    (g,) = _walked(function, arguments, positions, lambda ys: {ys[0].slot: ones(body.tape, ys[0])})
    moved = {arguments[positions[0]].slot: tangent}
    reached = forward(body.tape, moved, tuple(body.tape.instructions))
    product = body.finish([reached[g.slot] if g.slot in reached else zeros(body.tape, g)])
    (columns,) = _rows(product, xs, x.type)
    return columns.reshape((*x.shape, *x.shape))


# -- how the functions bind --------------------------------------------------------------------------


def _rule(
    directions: Callable[[int, int], int], answers: Callable[[Mapping[str, Any], int, int], int]
) -> FunctionRule:
    """A node takes the function's inputs and `directions(inputs, outputs)` more."""

    def link(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
        own = inputs - directions(*sizes(attributes["function"]))
        expect_inputs(attributes["function"], sizes, own, "the node's inputs without the directions")

    def outputs(attributes: Mapping[str, Any], sizes: Sizes) -> int:
        return answers(attributes, *sizes(attributes["function"]))

    def bind(specialize: Specialize, attributes: Mapping[str, Any], types: Types) -> dict[str, Any]:
        name = attributes["function"]
        own = [TensorType(t.shape, t.dtype) for t in types[: specialize.sizes(name)[0]]]
        return {"function": specialize(name, own)}

    return FunctionRule(link, outputs, bind)


def _count(attributes: Mapping[str, Any], inputs: int, outputs: int) -> int:
    wrt = attributes.get("wrt")
    return inputs if wrt is None else 1 if isinstance(wrt, int) else len(wrt)


def _node(
    name: str, formula: Callable[..., Any], rule: FunctionRule, summary: str, *attributes: Attribute
) -> Op:
    return composite(
        name,
        summary=summary,
        formula=formula,
        promote=False,
        variadic=True,
        functions=rule,
        attributes=(_FUNCTION, *attributes),
        outputs=None,
    )


gradient = _node(
    "gradient",
    _gradient,
    _rule(lambda n, m: 0, _count),
    "The gradients of a function that returns one number, one for each input in `wrt`.",
    _WRT,
)
vjp = _node(
    "vjp",
    _vjp,
    _rule(lambda n, m: m, _count),
    "The vector-Jacobian product: inputs are the function's, then a cotangent for each output.",
    _WRT,
)
jvp = _node(
    "jvp",
    _jvp,
    _rule(lambda n, m: n, lambda attributes, n, m: m),
    "The Jacobian-vector product: inputs are the function's, then a tangent for each.",
)
jacobian = _node(
    "jacobian",
    _jacobian,
    _rule(lambda n, m: 0, lambda attributes, n, m: m * _count(attributes, n, m)),
    "The Jacobian, out.shape + in.shape: for each output of a function one block for each input in `wrt`.",
    _WRT,
)
hessian = _node(
    "hessian",
    _hessian,
    _rule(lambda n, m: 0, lambda attributes, n, m: 1),
    "The Hessian of a function with respect to one input, of shape a.shape + a.shape.",
    _WRT,
)

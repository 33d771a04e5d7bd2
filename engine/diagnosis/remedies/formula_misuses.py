"""Formulas that are valid and seldom meant: / 2 * s ** 2, the root of a squared mean, degrees, tiny steps."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import Fix, write
from engine.diagnosis.texts.source_text import bracket
from engine.ir.tape import Instruction

#: The ops that these mistakes are about.
OPS_OF_FORMULAS = frozenset({"multiply", "sqrt", "sin", "cos", "tan", "pow", "square", "abs"})
LOST = 1e-4  # of a difference, what rounding may take from it
_DEGREES = re.compile(r"(?:^|_)deg(?:s|ree|rees)?(?:$|_)", re.IGNORECASE)
_LARGEST_MULTIPLE = 12  # by which an angle is multiplied; the numbers of a conversion are larger, or broken
_DEEPEST = 6  # steps between an angle and the input that it comes from


def misuses_of_formulas(
    prescriber: Prescriber, steps: Sequence[Instruction], sources: Collection[int]
) -> Iterator[Caveat]:
    """What is likely wrong with the formulas at some of the steps; `sources` are what is learned."""
    for step in steps:
        if step.op.name == "multiply":
            yield from _multiplied_below(prescriber, steps, step)
        elif step.op.name == "sqrt":
            yield from _root_of_squared_mean(prescriber, step)
        elif step.op.name in ("sin", "cos", "tan"):
            yield from _degrees(prescriber, step)
        elif step.op.name in ("pow", "square", "abs"):
            yield from _squared_mean(prescriber, steps, step, sources)
        elif step.op.name == "divide":
            yield from _tiny_step(prescriber, step)


def _multiplied_below(
    prescriber: Prescriber, steps: Sequence[Instruction], step: Instruction
) -> Iterator[Caveat]:
    """-(x - m) ** 2 / 2 * s ** 2, a normal density's exponent that is multiplied by the variance."""
    quotient, variance = (prescriber.expressions.maker(slot) for slot in step.inputs)
    if quotient is None or variance is None or quotient.op.name != "divide":
        return
    scale = _squared(prescriber, variance)
    if (
        scale is None
        or _number(prescriber, quotient.inputs[1]) != 2
        or not _is_deviation(prescriber, quotient)
    ):
        return
    node = prescriber.expressions.node(step)
    if not re.search(r"/\s*2(?:\.0*)?\s*\*", node) or not _divides(steps, scale, quotient):
        return
    over, text = prescriber.expressions.operand(quotient, 0), prescriber.expressions.operand(step, 1)
    fix = write(f"{over} / (2 * {text})", node, "what stands behind / 2 multiplies, unless it is in brackets")
    words = {"node": str(step.origin.node), "text": text, "scale": prescriber.expressions.text(scale)}
    yield Caveat(LIKELY_MISTAKE, step.origin.node, "multiplied_below", words, fix)


def _squared(prescriber: Prescriber, step: Instruction) -> int | None:
    """What a step squares."""
    if step.op.name == "pow" and _number(prescriber, step.inputs[1]) == 2:
        return step.inputs[0]
    if step.op.name == "square" or (step.op.name == "multiply" and step.inputs[0] == step.inputs[1]):
        return step.inputs[0]
    return None


def _is_deviation(prescriber: Prescriber, quotient: Instruction) -> bool:
    """Whether a quotient has the square of a difference above, with or without a sign."""
    over = prescriber.expressions.maker(quotient.inputs[0])
    if over is not None and over.op.name == "negative":
        over = prescriber.expressions.maker(over.inputs[0])
    if over is None:
        return False
    base = _squared(prescriber, over)
    maker = None if base is None else prescriber.expressions.maker(base)
    return over.op.name == "squared_difference" or (maker is not None and maker.op.name == "subtract")


def _divides(steps: Sequence[Instruction], scale: int, apart: Instruction) -> bool:
    """Whether something is divided by `scale`, or its logarithm taken, as a normal density is."""
    slots = {scale}
    for step in steps:
        if slots.isdisjoint(step.inputs):
            continue
        if step.op.name == "log" and step.inputs[0] in slots:
            return True
        if step.op.name == "divide" and step is not apart and step.inputs[1] in slots:
            return True
        if step.op.name in ("multiply", "pow", "sqrt", "square", "abs"):
            slots.update(step.outputs)
    return False


def _root_of_squared_mean(prescriber: Prescriber, step: Instruction) -> Iterator[Caveat]:
    """sqrt(mean(x) ** 2), which is abs(mean(x))."""
    squared = prescriber.expressions.maker(step.inputs[0])
    base = None if squared is None else _squared(prescriber, squared)
    mean = None if base is None else prescriber.expressions.maker(base)
    if mean is None or mean.op.name != "mean":
        return
    whole, inner = prescriber.expressions.node(step), prescriber.expressions.node(mean)
    x = prescriber.expressions.operand(mean, 0)
    if x not in inner:
        return
    new = f"sqrt({inner.replace(x, f'{bracket(x)} ** 2', 1)})"
    fix = write(new, whole, "squares are taken before the mean")
    words = {"node": str(step.origin.node), "mean": inner}
    yield Caveat(LIKELY_MISTAKE, step.origin.node, "root_of_squared_mean", words, fix)


def _squared_mean(
    prescriber: Prescriber, steps: Sequence[Instruction], step: Instruction, sources: Collection[int]
) -> Iterator[Caveat]:
    """mean(prediction - target) ** 2 as the only measure of what is learned: residuals cancel."""
    base = step.inputs[0] if step.op.name == "abs" else _squared(prescriber, step)
    mean = None if base is None else prescriber.expressions.maker(base)
    if mean is None or mean.op.name not in ("mean", "sum") or prescriber.type(step.outputs[0]).size != 1:
        return
    residual = prescriber.expressions.maker(mean.inputs[0])
    graph, constants = prescriber.expressions.graph, prescriber.expressions.graph.tape.constants
    if residual is None or residual.op.name != "subtract" or not _is_fit(prescriber, residual, sources):
        return
    squares = ("pow", "square", "abs", "squared_difference")
    others = [
        one
        for one in steps
        if one is not step and (one.op.name in squares or one.op.name == "subtract") and one is not residual
    ]
    measured = any(prescriber.type(one.outputs[0]).size > 1 and one.op.name in squares for one in others)
    read = [graph.steps[place] for place in graph.readers.get(step.outputs[0], ())]
    if measured or any(one.op.name == "subtract" for one in read) or residual.inputs[1] in constants:
        return
    whole, inner = prescriber.expressions.node(step), prescriber.expressions.node(mean)
    x = prescriber.expressions.operand(mean, 0)
    if x not in inner or step.origin.op != step.op.name:
        return
    power = f"abs({x})" if step.op.name == "abs" else f"{bracket(x)} ** 2"
    fix = write(inner.replace(x, power, 1), whole, "each residual counts by itself then")
    words = {"op": step.op.name, "node": str(step.origin.node), "mean": inner}
    yield Caveat("likely_mistake", step.origin.node, "squared_mean", words, fix)


def _is_fit(prescriber: Prescriber, residual: Instruction, sources: Collection[int]) -> bool:
    """Whether one side of a difference of several elements is learned, and the other is data."""
    graph = prescriber.expressions.graph
    learned = set(sources)
    for source in sources:
        learned.update(slot for step in graph.downstream(source) for slot in step.outputs)
    sides = [slot in learned for slot in residual.inputs]
    shapes = [prescriber.type(slot).size for slot in residual.inputs]
    return sides.count(True) == 1 and min(shapes) > 1


def _degrees(prescriber: Prescriber, step: Instruction) -> Iterator[Caveat]:
    """The sine of an input whose name says that it holds degrees, without a conversion on the way."""
    name = _angle_in_degrees(prescriber, step.inputs[0])
    if name is None:
        return
    x = prescriber.expressions.operand(step, 0)
    op = step.origin.op or step.op.name
    if op != step.op.name:
        return
    fix = write(f"{op}({bracket(x)} * pi / 180)", prescriber.expressions.node(step), "it takes radians")
    words = {"op": op, "node": str(step.origin.node), "name": name}
    yield Caveat(LIKELY_MISTAKE, step.origin.node, "degrees", words, fix)


def _angle_in_degrees(prescriber: Prescriber, slot: int) -> str | None:
    """The input in degrees that a slot is, or a multiple, a sum or a difference of with a number."""
    graph = prescriber.expressions.graph
    inputs = {at: name for name, at in graph.tape.inputs.items()}
    for _ in range(_DEEPEST):
        name = prescriber.expressions.names.get(slot)
        if slot in inputs:
            return name if name is not None and _DEGREES.search(name) else None
        step = prescriber.expressions.maker(slot)
        if step is None or step.op.name not in ("negative", "multiply", "divide", "add", "subtract"):
            return None
        open_ = [s for s in step.inputs if _number(prescriber, s) is None]
        numbers = [n for n in (_number(prescriber, s) for s in step.inputs) if n is not None]
        if len(open_) != 1 or (step.op.name == "divide" and step.inputs[0] != open_[0]):
            return None
        if step.op.name in ("multiply", "divide") and not all(
            abs(n) <= _LARGEST_MULTIPLE and (2 * n).is_integer() for n in numbers
        ):
            return None
        slot = open_[0]
    return None


def _tiny_step(prescriber: Prescriber, step: Instruction) -> Iterator[Caveat]:
    """A difference quotient whose step is so small that rounding is all that is left of the difference."""
    divisor, type = _number(prescriber, step.inputs[1]), prescriber.type(step.outputs[0])
    top = prescriber.expressions.maker(step.inputs[0])
    if divisor is None or top is None or top.op.name not in ("add", "subtract"):
        return
    unit = float(np.finfo(type.dtype).eps) if type.dtype in ("float32", "float64") else 0.0
    if not 0 < abs(divisor) < unit / LOST:
        return
    for width in _widths(prescriber, step.inputs[0]):
        for power, of_step in ((1, width), (1, 2 * width), (2, width**2)):
            if abs(divisor / of_step - 1) < 1e-6:
                best = unit ** (1 / 3) if power == 1 else unit**0.25
                words = {
                    "node": str(step.origin.node),
                    "divisor": f"{divisor:g}",
                    "unit": f"{unit:.1g}",
                    "width": f"{width:g}",
                }
                fix = Fix("larger_step", {"width": f"{width:g}", "best": f"{best:.0e}"})
                yield Caveat(LIKELY_MISTAKE, step.origin.node, "tiny_step", words, fix)
                return


def _widths(prescriber: Prescriber, slot: int) -> list[float]:
    """The numbers other than 0 that are added to something on the way to a slot."""
    makers, ahead, visited, widths = prescriber.expressions.graph.makers, [slot], {slot}, []
    while ahead:
        step = makers.get(ahead.pop())
        if step is None:
            continue
        if step.op.name in ("add", "subtract"):
            numbers = [_number(prescriber, s) for s in step.inputs]
            if None in numbers:
                widths += [abs(n) for n in numbers if n]
        for one in step.inputs:
            if one not in visited:
                visited.add(one)
                ahead.append(one)
    return widths


def _number(prescriber: Prescriber, slot: int, depth: int = 0) -> float | None:
    """The number in a slot that holds one written number, or a power or product of such."""
    constant = prescriber.expressions.graph.tape.constants.get(slot)
    if constant is not None:
        return float(constant.item()) if constant.size == 1 and constant.dtype.kind in "fiu" else None
    step = prescriber.expressions.maker(slot)
    if step is None or depth == 3 or step.op.name not in ("pow", "multiply", "negative", "divide"):
        return None
    operands = [_number(prescriber, one, depth + 1) for one in step.inputs]
    if any(operand is None for operand in operands):
        return None
    values = [operand for operand in operands if operand is not None]
    with np.errstate(all="ignore"):
        if step.op.name == "negative":
            return -values[0]
        if step.op.name == "multiply":
            return values[0] * values[1]
        if step.op.name == "divide":
            return values[0] / values[1] if values[1] else None
        result = np.power(values[0], values[1])
    return float(result) if np.isfinite(result) else None

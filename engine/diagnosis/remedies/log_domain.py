"""The logarithm of what overflows or underflows, computed from the logarithms of its parts.

A product becomes a sum of logarithms, a power a multiple, a sum of positive terms logaddexp or logsumexp, and
whatever a stable form has for `log(…)` becomes that. What is in range is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from engine.diagnosis.remedies.forms import Form, fill
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.fix import Fix, write
from engine.ir.tape import Instruction
from engine.passes.stable import REWRITES
from engine.passes.stable.patterns import Call

DEEPEST = 24  # steps that are followed back
_WHY = (
    "what it takes the logarithm of is too large or too small for its dtype, and the logarithms of its parts "
    "are not"
)
_LOGS: Mapping[str, str] = {"log": "X", "log2": "(X) / log(2)", "log10": "(X) / log(10)"}
#: The patterns of stable forms of log(…), without the logarithm, with what is written instead.
_INNER = [
    (inner, rewrite.advice)
    for rewrite in REWRITES
    for pattern in rewrite.patterns
    for inner in pattern.inputs[:1]
    if pattern.op == "log" and isinstance(inner, Call)
]


def log_of_parts(prescriber: Prescriber, step: Instruction) -> Fix | None:
    """What to write for a logarithm that `step` is, or has a part in; None if it does not help."""
    graph = prescriber.expressions.graph
    if not prescriber.can_try:
        return None
    for log in (step, *graph.downstream(step.outputs[0])):
        if log.op.name not in _LOGS or not prescriber.is_whole(log):
            continue
        parts = _Parts(prescriber)
        inner = parts.log(log.inputs[0], 0, needed=True)
        if inner is None:
            continue
        text = fill(_LOGS[log.op.name], {"X": inner})
        form = Form(text, parts.slots)
        outcome = prescriber.outcome(log, log.outputs[0], form)
        if outcome is not None and outcome.is_sensible:
            written = form.render(prescriber.expressions)
            return write(written, prescriber.expressions.node(log), _WHY)
    return None


@dataclass
class _Parts:
    """Texts of letters for logarithms of slots, and the slots that the letters stand for."""

    prescriber: Prescriber
    slots: dict[str, int] = field(default_factory=dict)

    def letter(self, slot: int) -> str:
        """The letter of a slot; a number as it is."""
        constant = self.prescriber.expressions.graph.tape.constants.get(slot)
        if constant is not None and constant.ndim == 0 and not self.prescriber.expressions.is_assigned(slot):
            return _number(constant.item())
        letter = next((name for name, other in self.slots.items() if other == slot), None)
        name = letter or f"v{len(self.slots)}_"
        self.slots[name] = slot
        return name

    def log(self, slot: int, depth: int, *, needed: bool = False) -> str | None:
        """The logarithm of a slot; None if there is no better one than of the slot itself."""
        value = np.asarray(self.prescriber.value(slot))
        if value.dtype.kind not in "fiu" or depth > DEEPEST:
            return None
        smallest = float(np.finfo(value.dtype).tiny) if value.dtype.kind == "f" else 1.0
        if not needed and bool((np.isfinite(value) & (value >= smallest)).all()):
            return "0" if bool((value == 1).all()) and not value.ndim else f"log({self.letter(slot)})"
        step = self.prescriber.expressions.maker(slot)
        if step is None:
            return None
        return self._stable(step) or self._of_op(step, depth + 1)

    def _stable(self, step: Instruction) -> str | None:
        """A stable form of the logarithm of what a step makes."""
        matcher = self.prescriber.expressions.matcher
        guises = list(matcher.guises(step))
        for inner, advice in _INNER:
            for bound, _ in matcher.matches(inner, step, guises):
                if all(isinstance(v, int) for k, v in bound.items() if k.islower() and k != "n"):
                    words = {
                        k: self.letter(v) if k.islower() and k != "n" else _setting(v, k)
                        for k, v in bound.items()
                    }
                    return fill(advice, words)
        return None

    def _of_op(self, step: Instruction, depth: int) -> str | None:
        """The logarithm of an op's result by those of its operands."""
        name, inputs = step.op.name, step.inputs
        if name == "exp":
            return self.letter(inputs[0])
        if name in ("multiply", "divide", "add"):
            logs = [self.log(slot, depth) for slot in inputs]
            template = {"multiply": "x + y", "divide": "x - y", "add": "logaddexp(x, y)"}[name]
            x, y = logs
            return None if x is None or y is None else fill(template, {"x": x, "y": y})
        if name in ("square", "sqrt", "reciprocal", "rsqrt"):
            factor = {"square": "2", "sqrt": "0.5", "reciprocal": "-1", "rsqrt": "-0.5"}[name]
            x = self.log(inputs[0], depth)
            return None if x is None else fill("k * x", {"k": factor, "x": x})
        if name == "pow":
            x = self.log(inputs[0], depth)
            return None if x is None else fill("y * x", {"y": self.letter(inputs[1]), "x": x})
        if name in ("sum", "prod", "mean"):
            return self._of_reduction(step, depth)
        return None

    def _of_reduction(self, step: Instruction, depth: int) -> str | None:
        x = self.log(step.inputs[0], depth)
        if x is None:
            return None
        ndim = self.prescriber.type(step.inputs[0]).ndim
        axes, keeps = tuple(step.attributes["axis"] or range(ndim)), step.attributes["keepdims"]
        whole = axes == tuple(range(ndim))
        words = {"x": x, "A": "" if whole else _setting(axes, "A"), "K": "True" if keeps else ""}
        if step.op.name == "prod":
            return fill("sum(x, axis=A, keepdims=K)", words)
        if whole and ndim > 1:
            words["x"] = fill("flatten(x)", words)
        count = int(np.prod([self.prescriber.type(step.inputs[0]).shape[axis] for axis in axes]))
        text = "logsumexp(x, axis=A, keepdims=K)" + (f" - log({count})" if step.op.name == "mean" else "")
        return fill(text, words)


def _number(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def _setting(value: object, letter: str) -> str:
    """An attribute, or the number n of elements, as it is written."""
    if isinstance(value, tuple) and len(value) == 1:
        (value,) = value
    if letter == "n":
        return str(int(value))  # type: ignore[call-overload]  # n is a number
    return "" if value is False or value is None else repr(value)

"""A stable form in the user's own words: what `stabilize` would compute, as something that can be pasted."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.diagnosis.remedies.forms import Form, negate, parse_expression
from engine.diagnosis.remedies.logits import rearrange
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.remedies.probability_misuses import missing_activation
from engine.diagnosis.texts.fix import Fix, write
from engine.diagnosis.texts.source_text import Expressions
from engine.errors import Source
from engine.passes.stabilize import Match

_ABSORBING = frozenset({"xlogy", "negative_xlogy", "xlog1py", "negative_xlog1py"})
_OF_LAST_AXIS = frozenset({"softmax", "log_softmax", "logsumexp"})  # the others reduce the whole array


def stable_form(prescriber: Prescriber, match: Match) -> Fix | None:
    """A stable form, if it helps."""
    if not _absorbs(prescriber, match):
        return None
    if match.rewrite.name in _ABSORBING and prescriber.values:
        negative = _of_negative(prescriber, match)
        if negative is not None:
            return negative
    arranged = _arrange(match, prescriber.expressions)
    if arranged is not None:
        return arranged
    form, fix = form_of(match, prescriber.expressions), _advice(match, prescriber.expressions)
    if not prescriber.can_try or form is None:
        return fix
    outcome = prescriber.outcome(match.step, match.step.outputs[0], form)
    if outcome is None or outcome.is_finite:
        return fix
    assert prescriber.trial is not None
    return fix.with_note("beside") if prescriber.trial.holds(match.step, form) else None


def _of_negative(prescriber: Prescriber, match: Match) -> Fix | None:
    """What to do if the logarithm is of a negative number that was computed: no factor of 0 is to blame."""
    y = match.bound["y"]
    value = np.asarray(prescriber.value(y))
    maker = prescriber.expressions.maker(y) if isinstance(y, int) else None
    if match.rewrite.name not in ("xlogy", "negative_xlogy") or value.dtype.kind != "f":
        return None
    if (
        maker is None
        or maker.op.name not in ("matmul", "add", "subtract", "multiply")
        or not (value < 0).any()
    ):
        return None
    activation = missing_activation(prescriber, y)
    if activation is not None:
        return activation
    text, node = prescriber.expressions.text(y), prescriber.expressions.node(maker)
    place = np.argwhere(value < 0)[0].tolist()
    least = f"{value[tuple(place)]:.6g}" + (f" at element {place}" if place else "")
    return Fix("has_to_be_positive", {"text": text, "least": least, "node": node})


def _absorbs(prescriber: Prescriber, match: Match) -> bool:
    """Whether a factor goes with its logarithm element by element, and is not 0 as a whole by chance."""
    if match.rewrite.name not in _ABSORBING:
        return True
    x, y = (match.bound[letter] for letter in "xy")
    return not isinstance(x, int) or prescriber.type(x).size > 1 or prescriber.type(y).size == 1


def _arrange(match: Match, expressions: Expressions) -> Fix | None:
    """log(softmax(x)[i]) as log_softmax(x)[i]: the indexing is done anew."""
    inner = form_of(match, expressions) if match.arranged else None
    if inner is None:
        return None
    written = rearrange(match.arranged, inner.render(expressions), expressions)
    if written is None:
        return None
    return write(written, expressions.node(match.step), match.rewrite.why).with_note("on_request")


def _advice(match: Match, expressions: Expressions) -> Fix:
    """What to write for what, and why."""
    after = _write(match.rewrite.advice, match, expressions)
    own = isinstance(match.step.origin.source, Source) and match.step.origin.op in (
        match.step.op.name,
        "power",
    )
    before = expressions.node(match.step) if own else _write(match.before, match, expressions)
    return write(after, before, match.rewrite.why).with_note("on_request")


def form_of(match: Match, expressions: Expressions) -> Form | None:
    """What is advised, as it can be tried."""
    slots = {k: v for k, v in match.bound.items() if k.islower() and k != "n" and isinstance(v, int)}
    tree = _Words(match, expressions, slots).visit(ast.parse(match.rewrite.advice, mode="eval"))
    return Form(ast.unparse(tree), slots)


def _write(text: str, match: Match, expressions: Expressions) -> str:
    return ast.unparse(_Words(match, expressions).visit(ast.parse(text, mode="eval")))


class _Words(ast.NodeTransformer):
    """Letters replaced by what they are bound to; attributes at their default left out."""

    def __init__(
        self, match: Match, expressions: Expressions, letters: Mapping[str, int] | None = None
    ) -> None:
        self.bound, self.expressions, self.letters = match.bound, expressions, letters or {}
        texts = [step.origin.source for step in match.steps]
        inside = "/" in (match.step.origin.node or "")
        self.batched = inside and not any(isinstance(s, Source) and "axis" in s.text for s in texts)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """A letter, or the name of a function."""
        if node.id not in self.bound or node.id in self.letters:
            return node
        value = self.bound[node.id]
        if node.id == "n" or isinstance(value, float):
            return ast.Constant(int(value) if float(value).is_integer() else value)
        return parse_expression(self.expressions.text(value))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """A sign, unless there is one already."""
        operand: ast.expr = self.visit(node.operand)
        return negate(operand) if isinstance(node.op, ast.USub) else ast.UnaryOp(node.op, operand)

    def visit_Call(self, node: ast.Call) -> ast.Call:
        """A call with its settings."""
        self.generic_visit(node)
        assert isinstance(node.func, ast.Name)
        node.keywords = [word for word in node.keywords if not self._is_default(node.func.id, word)]
        if not self.letters and self.batched:  # the axis is that of the rows taken together
            node.keywords = [word for word in node.keywords if word.arg != "axis"]
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:
        """An attribute as it is bound."""
        assert isinstance(node.value, ast.Name)
        value = self.bound[node.value.id]
        if isinstance(value, tuple) and len(value) == 1:
            (value,) = value
        return ast.keyword(node.arg, parse_expression(repr(value)))

    def _is_default(self, op: str, word: ast.keyword) -> bool:
        value: Any = ast.literal_eval(word.value)
        if word.arg != "axis":
            return value in (False, 0)
        axes = (value,) if isinstance(value, int) else value
        ndim = self.expressions.graph.tape.types[self.bound["x"]].ndim
        return tuple(axes) == ((ndim - 1,) if op in _OF_LAST_AXIS else tuple(range(ndim)))

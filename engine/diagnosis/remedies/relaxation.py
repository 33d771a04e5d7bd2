"""Truth values in numbers: a comparison as a soft step, and all that is computed with it as soft logic.

A comparison that several nodes read is softened in its own place, so that each of them gets the slope; what
combines it with others is written as the product, sum or complement that it is for the numbers 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.diagnosis.remedies.forms import Form
from engine.diagnosis.remedies.matching import Matching
from engine.diagnosis.remedies.soft import SIDES, steepness
from engine.diagnosis.remedies.trial import Replacement
from engine.diagnosis.texts.fix import Edit, Fix
from engine.ir.tape import Instruction

WHY = (
    "soft steps rise from 0 to 1 where a comparison changes, with a slope, and so do the products and sums "
    "that stand for logic; a larger factor is steeper"
)
#: What logic is for numbers between 0 and 1, by op.
_LOGIC: Mapping[str, str] = {
    "logical_and": "x * y",
    "bitwise_and": "x * y",
    "logical_or": "x + y - x * y",
    "bitwise_or": "x + y - x * y",
    "logical_xor": "x + y - 2 * x * y",
    "bitwise_xor": "x + y - 2 * x * y",
    "not_equal": "x + y - 2 * x * y",
    "equal": "1 - x - y + 2 * x * y",
    "logical_not": "1 - x",
    "bitwise_invert": "1 - x",
    "any": "max(x, axis=A, keepdims=K)",
    "all": "min(x, axis=A, keepdims=K)",
    "where": "y + (z - y) * x",
}
_COMPARISONS = {
    **dict.fromkeys(SIDES[0], "sigmoid(k * (x - y))"),
    **dict.fromkeys(SIDES[1], "sigmoid(k * (y - x))"),
}


def relax(run: Matching, cuts: Sequence[Instruction]) -> tuple[Fix, list[Replacement]] | None:
    """The fix that softens all `cuts`, and what it replaces; None if one is no comparison of numbers."""
    graph = run.expressions.graph
    if not cuts or any(cut.op.name not in _COMPARISONS for cut in cuts):
        return None
    forms: dict[int, Form] = {}
    steps: list[Instruction] = []
    behind = sorted({id(s): s for cut in cuts for s in (cut, *graph.downstream(cut.outputs[0]))}.values(),
                    key=lambda step: graph.places[id(step)])  # fmt: skip
    for step in behind:
        if (any(step is cut for cut in cuts) or step.op.name in _LOGIC) and not run.is_whole(step):
            return None  # what an op or its derivative was expanded into has no text of its own
        form = _comparison(run, step) if any(step is cut for cut in cuts) else _logic(run, step, forms)
        if form is not None:
            forms[step.outputs[0]] = form
            steps.append(step)
    edits = [_edit(run, step, forms) for step in steps if _stands_alone(run, step, forms)]
    replacements = [Replacement(step, step.outputs[0], forms[step.outputs[0]]) for step in steps]
    return Fix("write", {"why": WHY}, tuple(dict.fromkeys(edits))), replacements


def _comparison(run: Matching, step: Instruction) -> Form:
    x, y = step.inputs
    k = steepness(run, {"x": x, "y": y})
    return Form(_COMPARISONS[step.op.name], {"x": x, "y": y}, {"k": f"{k:g}"})


def _logic(run: Matching, step: Instruction, forms: Mapping[int, Form]) -> Form | None:
    """A step that computes with softened truth values, in numbers; None if it takes them as they are."""
    if step.op.name not in _LOGIC or not any(slot in forms for slot in step.inputs):
        return None
    if step.op.name == "where":
        condition, then, other = step.inputs
        return (
            None if condition not in forms else Form(_LOGIC["where"], {"x": condition, "z": then, "y": other})
        )
    if run.type(step.inputs[0]).dtype != "bool":
        return None
    slots = dict(zip("xy", step.inputs, strict=False))
    words = {}
    if step.op.name in ("any", "all"):
        axes, keeps = step.attributes["axis"], step.attributes["keepdims"]
        whole = axes is None or tuple(axes) == tuple(range(run.type(step.inputs[0]).ndim))
        words = {
            "A": "" if whole else repr(axes[0] if len(axes) == 1 else axes),
            "K": "True" if keeps else "",
        }
    return Form(_LOGIC[step.op.name], slots, words)


def _stands_alone(run: Matching, step: Instruction, forms: Mapping[int, Form]) -> bool:
    """Whether a step is written by itself: it has a name, or something reads it that is not softened."""
    graph = run.expressions.graph
    readers = [graph.steps[place] for place in graph.readers.get(step.outputs[0], ())]
    return (
        run.expressions.is_assigned(step.outputs[0])
        or not all(reader.outputs[0] in forms for reader in readers)
        or not readers
    )


def _edit(run: Matching, step: Instruction, forms: Mapping[int, Form]) -> Edit:
    return Edit(_write(run, step.outputs[0], forms), run.expressions.node(step))


def _write(run: Matching, slot: int, forms: Mapping[int, Form]) -> str:
    """The soft form behind a slot, with those that it reads written into it unless they have names."""
    form = forms[slot]
    names = {
        letter: _write(run, read, forms)
        for letter, read in form.slots.items()
        if read in forms and not run.expressions.is_assigned(read)
    }
    return Form(form.text, form.slots, form.words, names).render(run.expressions)

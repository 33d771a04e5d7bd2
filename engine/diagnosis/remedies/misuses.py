"""The table of likely mistakes behind a gradient that is there: patterns that are valid and seldom meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.diagnosis.remedies.axis_misuses import misuses_of_axes
from engine.diagnosis.remedies.formula_misuses import misuses_of_formulas
from engine.diagnosis.remedies.loss_misuses import misuses_by_recording, misuses_by_value
from engine.diagnosis.remedies.name_misuses import misuses_of_names
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.remedies.product_misuses import misuses_of_products
from engine.diagnosis.remedies.reduction_misuses import misuses_of_reductions
from engine.diagnosis.remedies.residual_misuses import misuses_of_residuals
from engine.diagnosis.remedies.table import Remedy, Scene
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import write
from engine.ir.tape import Instruction
from engine.passes.stable.patterns import Bound

#: The ops of the mistakes that show in a recording: a function without any of them has none.
MISUSED_OPS = frozenset(
    {
        "softmax",
        "log_softmax",
        "logsumexp",
        "sigmoid",
        "sigmoid_cross_entropy",
        "log_sigmoid",
        "softplus",
        "clip",
        "log",
        "log1p",
        "sqrt",
        "subtract",
    }
)
#: What the table finds inside of those.
_NESTED = frozenset({"softmax", "log_softmax", "log_sigmoid", "sigmoid", "relu", "add", "expm1", "std"})


def _over_samples(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether it runs along the first axis of a matrix of more than one row."""
    shape = scene.type(step.inputs[0]).shape
    axes = (bound["A"],) if isinstance(bound["A"], int) else tuple(bound["A"])
    return len(shape) == 2 and axes == (0,) and min(shape) > 1


_TWICE = (
    *(
        f"{outer}({inner}, axis=B)"
        for outer in ("softmax", "log_softmax", "logsumexp")
        for inner in ("softmax(x, axis=A)", "sigmoid(x)")
    ),
    "logsumexp(softmax(x, axis=A), axis=B, keepdims=K)",
    "softmax(log_softmax(x, axis=A), axis=B)",
)
_TWICE_SIGMOID = (
    "sigmoid(sigmoid(x))",
    "sigmoid(softmax(x, axis=A))",
    "sigmoid_cross_entropy(y, sigmoid(x))",
    "sigmoid_cross_entropy(y, softmax(x, axis=A))",
    "log_sigmoid(sigmoid(x))",
    "softplus(sigmoid(x))",
)
_NONE: frozenset[str] = frozenset()
_LOGITS = "the logits are wanted there"

#: What an op does already, done once more: as it is written, what is meant, why, and what comes out.
_ONE_TOO_MANY = (
    (
        "log1p(1 + x)",
        "log1p({x})",
        "log1p(z) is log(1 + z)",
        "it takes the logarithm of 2 + {x}: log1p adds 1 itself",
    ),
    (
        "expm1(x) - 1",
        "expm1({x})",
        "expm1(z) is exp(z) - 1",
        "it is exp({x}) - 2: expm1 subtracts 1 itself",
    ),
    (
        "log(log_softmax(x, axis=A))",
        "log_softmax({x})",
        "it is the logarithm already",
        "it takes the logarithm of {inner}, which is a logarithm already, and negative",
    ),
    (
        "log(log_sigmoid(x))",
        "log_sigmoid({x})",
        "it is the logarithm already",
        "it takes the logarithm of {inner}, which is a logarithm already, and negative",
    ),
    (
        "sqrt(std(x, axis=A, keepdims=K, correction=C))",
        "{argument}",
        "it is the root of the variance already",
        "it takes the root of {inner}, which is a root already",
    ),
    *(
        (
            f"{outer}(log_softmax(x, axis=A))",
            "exp({argument})",
            "it makes probabilities of logarithms",
            "it takes logits, and {inner} are logarithms of probabilities",
        )
        for outer in ("sigmoid",)
    ),
)

#: `says` is the message, and `forms` has what is written for the node; without one it is {x} for {inner}.
TABLE: Sequence[Remedy] = (
    Remedy(
        _TWICE,
        _NONE,
        why=_LOGITS,
        says="it takes a softmax of {inner}, which are probabilities already: its outputs differ little, "
        "and it learns slowly",
    ),
    Remedy(
        _TWICE_SIGMOID,
        _NONE,
        why=_LOGITS,
        says="it takes a sigmoid of {inner}, which is a probability already: it stays between 0.5 and 0.73",
    ),
    Remedy(
        ("sigmoid(relu(x))", "sigmoid_cross_entropy(y, relu(x))"),
        _NONE,
        why=_LOGITS,
        says="it takes a sigmoid of {inner}, which is never negative: it stays above 0.5",
    ),
    *(Remedy((before,), _NONE, (form,), why=why, says=says) for before, form, why, says in _ONE_TOO_MANY),
    *(
        Remedy(
            (f"{op}(matmul(x, w), axis=A)", f"{op}(matmul(x, w) + b, axis=A)"),
            _NONE,
            ("{op}({argument})",),
            why="each row is a sample, and its classes lie along the last axis",
            says="it runs along axis 0, the rows of {x}; classes are along the last axis",
            when=_over_samples,
        )
        for op in ("softmax", "log_softmax")
    ),
)


def misuses(prescriber: Prescriber, steps: Sequence[Instruction]) -> Iterator[Caveat]:
    """What is likely wrong at some of the steps, by the values that they have; each node once."""
    nodes: set[str | None] = set()
    sources, targets = prescriber.trial_slots
    for misuse in (
        *(caveat for caveat, _ in misuses_of_table(prescriber, steps)),
        *misuses_by_value(prescriber, steps),
        *misuses_of_reductions(prescriber, steps),
        *misuses_of_axes(prescriber, steps),
        *misuses_of_formulas(prescriber, steps, sources),
        *misuses_of_products(prescriber, steps, sources),
        *misuses_of_names(prescriber, steps),
        *(caveat for target in targets for caveat in misuses_of_residuals(prescriber, target, sources)),
    ):
        if misuse.node not in nodes:
            nodes.add(misuse.node)
            yield misuse


def static_misuses(
    prescriber: Prescriber, steps: Sequence[Instruction], sources: frozenset[int]
) -> Iterator[Caveat]:
    """What is likely wrong at some of the steps, by the recording alone; each node once.

    `sources` are the slots that are learned: a softmax along the rows of W @ x is meant if W is one of them.
    """
    matching = any(_may_match(prescriber, step) for step in steps)
    entries = list(misuses_of_table(prescriber, steps)) if matching else []
    meant = {caveat.node for caveat, bound in entries if "w" in bound and bound["w"] not in sources}
    unmeant = [caveat for caveat, _ in entries if caveat.node not in meant]
    nodes: set[str | None] = set()
    for caveat in (*unmeant, *misuses_by_recording(prescriber, steps, sources)):
        if caveat.node not in nodes:
            nodes.add(caveat.node)
            yield caveat


def _may_match(prescriber: Prescriber, step: Instruction) -> bool:
    """Whether an entry of the table may match at a step: a look that costs far less than the table."""
    if step.op.name not in MISUSED_OPS:
        return False
    if step.attributes.get("axis") in (0, (0,)) and len(prescriber.type(step.inputs[0]).shape) > 1:
        return True
    makers = (prescriber.expressions.maker(slot) for slot in step.inputs)
    return any(maker is not None and maker.op.name in _NESTED for maker in makers)


def misuses_of_table(prescriber: Prescriber, steps: Sequence[Instruction]) -> Iterator[tuple[Caveat, Bound]]:
    """What the table finds at some of the steps, with what the letters of its patterns are bound to."""
    expressions = prescriber.expressions
    for candidate in prescriber.candidates(TABLE, steps):
        remedy, step = candidate.remedy, candidate.step
        assert isinstance(remedy, Remedy)
        node = expressions.node(step)
        inner = expressions.node(candidate.covers[1]) if len(candidate.covers) > 1 else node
        if inner == node and not remedy.forms:
            continue  # both belong to one node, as within a loss
        x = expressions.text(candidate.bound["x"])
        words = {"op": step.op.name, "argument": expressions.operand(step, 0), "x": x}
        new, old = (remedy.forms[0].format(**words), node) if remedy.forms else (x, inner)
        place = {"inner": inner, "x": x, "place": f"{step.origin.op} at '{step.origin.node}'"}
        sentence = f"{{place}}: {remedy.says}."
        fix = write(new, old, remedy.why)
        yield Caveat(LIKELY_MISTAKE, step.origin.node, sentence, place, fix), candidate.bound

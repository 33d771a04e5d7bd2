"""The kinds of question: how each is recorded on a tape, and how its outputs make the answer.

A kind is one entry of `KINDS`: a function that plays the question onto a recording and says how the
answer is put together. Answers have the shape of the wire format, with arrays as leaves.
"""

from collections.abc import Callable, Mapping

from engine.derivatives.draft import DIRECTION, Draft
from engine.derivatives.gradients import diagnose, gradient
from engine.derivatives.matrices import hessian, jacobian
from engine.derivatives.products import gnvp, hvp, jvp
from engine.derivatives.query import Query
from engine.derivatives.rows import one_row
from engine.derivatives.values import evaluate, vjp

KINDS: Mapping[str, Callable[[Query], Draft]] = {
    "evaluate": evaluate,
    "gradient": gradient,
    "vjp": vjp,
    "jvp": jvp,
    "hvp": hvp,
    "gnvp": gnvp,
    "jacobian": jacobian,
    "hessian": hessian,
    "diagnose": diagnose,
}


def draft_of(query: Query) -> Draft:
    """Record the question; raises every UserError that the graph or the question earns."""
    return KINDS[query.kind](query)


__all__ = ["DIRECTION", "KINDS", "Draft", "draft_of", "one_row"]

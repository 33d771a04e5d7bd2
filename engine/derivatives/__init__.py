"""The kinds of query: how each is recorded on a tape, and how its outputs make the response.

A kind is one entry of `KINDS`: a function that records the query and says how the response is put together.
Responses have the shape of the wire format, with arrays as leaves.

`query`             what is asked
`draft`             a recording in the making: the tape, its outputs, how they make the response
`derivative_nodes`  derivatives as nodes of a recording
`values`            evaluate and vjp
`gradients`         gradient and diagnose
`last_diagnosis`    the last diagnosis of a target, for the same numbers again
`masked`            gradients with `masked_backward`
`products`          jvp, hvp, gnvp
`jacobian_problem`  the two ways to a dense Jacobian, forward and reverse, and their cost
`matrices`          jacobian and hessian
`sparse`            the same as coordinates
`zero_answers`      warnings of derivatives that come out as zero
`sparsity/`         which elements depend on which, and how few products show them all
`batched_rows`      a query about N rows as a query about one
"""

from collections.abc import Callable, Mapping

from engine.derivatives.batched_rows import one_row
from engine.derivatives.draft import DIRECTION, Draft
from engine.derivatives.gradients import diagnose, gradient
from engine.derivatives.matrices import hessian, jacobian
from engine.derivatives.products import gnvp, hvp, jvp
from engine.derivatives.query import Query
from engine.derivatives.values import evaluate, vjp
from engine.derivatives.zero_answers import with_zero_warnings

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
    return with_zero_warnings(query, KINDS[query.kind](query))


__all__ = ["DIRECTION", "KINDS", "Draft", "draft_of", "one_row"]

"""Rewrites of a tape before it is planned, in the order in which they run.

`expand`         functions with their own gradient become their forward part (always; the plan needs it)
`in_functions`   the functions of loops and branches go through the same passes
`fold`           what depends on constants alone is computed once, sizes and shapes included
`simplify`       multiplications by one disappear
`cse`            the same computation is done once
`join_matmuls`   pieces added into zeros side by side are joined
`dead`           what no output needs is dropped
`loop_fission`   of loops, what does not wait for the step before is done for many steps at once

`stabilize` stands apart: it changes results, so it runs on request alone, before a recording is
differentiated; its rewrites are data in `stable/`. `rewrite` is what the passes share.

Each of the others takes a tape and returns a new one with the same slots' meaning; the names of inputs, the
origins of instructions and the bits of every output stay as they were, but for sums and matrix products over
the steps of a split loop, which round in another order.
"""

from engine.ir.tape import Tape
from engine.passes.cse import cse
from engine.passes.dead import dead
from engine.passes.expand import expand
from engine.passes.fold import fold
from engine.passes.in_functions import inner
from engine.passes.join_matmuls import joins
from engine.passes.loop_fission import fission
from engine.passes.simplify import simplify


def optimize(tape: Tape) -> Tape:
    """All passes."""
    return fission(_tidied(inner(dead(expand(tape)), optimize)), _tidied)


def _tidied(tape: Tape) -> Tape:
    return dead(joins(cse(simplify(fold(tape)))))


def lower(tape: Tape) -> Tape:
    """Only what a plan needs."""
    return inner(dead(expand(tape)), lower)


__all__ = ["cse", "dead", "expand", "fission", "fold", "inner", "joins", "lower", "optimize", "simplify"]

"""Rewrites of a tape before it is planned, in the order in which they run.

`expand`         replaces functions with their own gradient by their forward part (always; plans need it)
`in_functions`   runs the same passes on the functions of loops and branches
`fold`           computes what depends on constants alone, including sizes and shapes
`simplify`       removes multiplications by one
`powers`         writes cubes as products
`cse`            does the same computation once
`join_matmuls`   joins pieces that are added into zeros side by side
`dead`           drops what no output needs
`loop_fission`   splits loops: what does not depend on the step before runs for many steps at once
`invariants`     moves out of loops what is the same at each step
`entropy`        fuses log_softmax with what picks the labels' elements from it
`algebra`        moves signs into constants and sums, and reads what is repeated as it was

`stabilize` changes results, so it runs only on request, before a recording is differentiated; its rewrites
are data in `stable/`. `rewrite` and `patterns` are shared by the passes.

Each of the others takes a tape and returns a new one with the same slots' meaning; the names of inputs, the
origins of instructions and the bits of every output stay as they were, but for cubes, which differ by two
units in the last place at most, for sums and matrix products over the steps of a split loop, which round
in another order, and for what is fused, which rounds otherwise. No pass makes a result finite that is not.
"""

from engine.ir.tape import Tape
from engine.passes.algebra import algebra
from engine.passes.cse import cse
from engine.passes.dead import dead
from engine.passes.entropy import entropies
from engine.passes.expand import expand
from engine.passes.fold import fold
from engine.passes.in_functions import inner
from engine.passes.invariants import invariants
from engine.passes.join_matmuls import joins
from engine.passes.loop_fission import fission
from engine.passes.powers import powers
from engine.passes.simplify import simplify


def optimize(tape: Tape, *, fused: bool = True) -> Tape:
    """All passes; without those whose result cannot be differentiated again if it is not to be `fused`."""
    tape = _rewritten(tape)
    return _fused(tape) if fused else tape


def _rewritten(tape: Tape) -> Tape:
    return fission(_tidied(inner(dead(expand(tape)), _rewritten)), _tidied)


def _fused(tape: Tape) -> Tape:
    """The last passes, for the functions of loops as well; what they write has no derivatives."""
    return dead(algebra(simplify(entropies(invariants(inner(tape, _fused))))))


def _tidied(tape: Tape) -> Tape:
    return dead(joins(cse(powers(simplify(fold(tape))))))


def lower(tape: Tape) -> Tape:
    """Only what a plan needs."""
    return inner(dead(expand(tape)), lower)


__all__ = [
    "algebra",
    "cse",
    "dead",
    "entropies",
    "expand",
    "fission",
    "fold",
    "inner",
    "invariants",
    "joins",
    "lower",
    "optimize",
    "powers",
    "simplify",
]

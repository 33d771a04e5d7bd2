"""Stable forms: what `stabilize` rewrites, and what a diagnosis proposes.

`patterns`   expressions as the table writes them, matched against a tape and played onto it
`table`      the rewrites, as data
`guards`     the branch that is not selected, evaluated at an argument where it is defined
"""

from engine.passes.stable.guards import HARMLESS, guarded
from engine.passes.stable.patterns import Bound, Matcher
from engine.passes.stable.table import GUARD, REWRITES, Rewrite

__all__ = ["GUARD", "HARMLESS", "REWRITES", "Bound", "Matcher", "Rewrite", "guarded"]

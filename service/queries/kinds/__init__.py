"""The kinds of query, one file each: its request, its response, its examples, and where it may run.

`kind` is the record. `KINDS` is in the order of the documentation; a new kind is a file here, its line in the
table, and its entry in `engine.derivatives.KINDS` if the engine records it.

`gradient`  `evaluate`  `vjp`  `jvp`  `jacobian`  `hessian`  `hvp`  `gnvp`  `diagnose`  `estimate`  `check`
`publish`
"""

from collections.abc import Mapping

from service.queries.kinds import (
    check,
    diagnose,
    estimate,
    evaluate,
    gnvp,
    gradient,
    hessian,
    hvp,
    jacobian,
    jvp,
    publish,
    vjp,
)
from service.queries.kinds.kind import Computation, Example, QueryKind

_MODULES = (
    gradient, evaluate, vjp, jvp, jacobian, hessian, hvp, gnvp, diagnose, estimate, check, publish,
)  # fmt: skip

KINDS: Mapping[str, QueryKind] = {module.KIND.name: module.KIND for module in _MODULES}

__all__ = ["KINDS", "Computation", "Example", "QueryKind"]

"""The kinds of query, one file each: its request, its response, its examples, and where it may run.

`kind` is the record. Every other file here is a kind, found without a list to edit: its `KIND`. The engine's
function that records it is in `engine.derivatives.KINDS`, unless the kind computes its whole reply itself.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from service.queries.kinds.kind import Computation, Example, QueryKind


def _found() -> Iterator[QueryKind]:
    for module in iter_modules(__path__, f"{__name__}."):
        if not module.name.endswith(".kind"):
            kind: QueryKind = import_module(module.name).KIND
            yield kind


KINDS: Mapping[str, QueryKind] = {
    kind.name: kind for kind in sorted(_found(), key=lambda kind: (kind.position, kind.name))
}

__all__ = ["KINDS", "Computation", "Example", "QueryKind"]

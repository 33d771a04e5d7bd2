"""`explain`: why the gradient of a function is what it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradwire._client.client import Client
from gradwire.autodiff.functional import positions_of, traced_on
from gradwire.autodiff.tape import GradientTape
from gradwire.results import Report

__all__ = ["explain"]


def explain(
    function: Callable[..., Any],
    *args: Any,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    stabilize: bool = False,
    masked_backward: bool = False,
    allow_reads: bool = False,
    client: Client | None = None,
    **kwargs: Any,
) -> Report:
    """Explain each gradient of `function(*args, **kwargs)` with respect to the arguments at `argnums`.

    Print the report: it has for each argument the status and the reason, the nodes that cause it with the
    lines of your code that made them, and a fix, as `GradientTape.explain` does. If the function returns
    several elements, the gradient of their sum is explained. Options and errors are those of `grad`.
    """
    tape = GradientTape(
        watch_accessed_variables=False, stabilize=stabilize, masked_backward=masked_backward, client=client
    )
    positions, _ = positions_of(argnums, len(args))
    chosen, answer = traced_on(tape, function, args, kwargs, positions, allow_reads)
    return tape.explain(answer[0] if has_aux else answer, chosen)

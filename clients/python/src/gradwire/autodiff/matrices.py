"""`jacobian` and `hessian`: whole matrices of derivatives, formed on the server in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradwire._client.client import Client
from gradwire._client.products import block
from gradwire._names.foreign_keywords import refusing_foreign
from gradwire._tracing.node import Edge, recorder
from gradwire._tracing.structure import leaves, rebuild
from gradwire._tracing.subgraph import rebuilt, run_closed, tensors
from gradwire._tracing.tensor import Tensor
from gradwire._tracing.tracer import trace
from gradwire.autodiff.directional import of_positions
from gradwire.autodiff.functional import grad, positions_of
from gradwire.autodiff.gradient_warnings import advise_entries
from gradwire.autodiff.scalar_target import check_function, target_of, told_of
from gradwire.autodiff.traced_function import Traced
from gradwire.autodiff.transformed import Transformed
from gradwire.autodiff.zero_matrices import advise_zeros
from gradwire.errors import TapeError, TraceError

__all__ = ["hessian", "jacobian"]

_WHOLE = (
    "a sparse {} is asked for while a tape or a traced function records, and graphs hold whole arrays; "
    "leave `sparse` out there, or ask outside of it"
)


@refusing_foreign
def jacobian(
    function: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    method: str = "auto",
    sparse: bool = False,
    allow_reads: bool = False,
    client: Client | None = None,
) -> Callable[..., Any]:
    """Return a function that computes the Jacobian of `function`: an array of shape out.shape + in.shape.

    If `function` returns a structure, each of its arrays is replaced by the structure of the arguments at
    `argnums`. `method` is "forward", "reverse" or "auto", the cheaper one. With `sparse`, arrays are
    `Sparse`. Elements are zero if there is no path. While a tape or a traced function records, the Jacobian
    is a node, and not sparse.
    """
    check_function("jacobian", function, argnums)
    return _Jacobian(
        function, argnums=argnums, allow_reads=allow_reads, method=method, sparse=sparse, client=client
    )


class _Jacobian(Transformed):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function, client = self._function, self._options["client"]
        method, sparse = self._options["method"], self._options["sparse"]
        positions, single = positions_of(self._options["argnums"], len(args))
        if recorder.get() is not None:
            if sparse:
                raise TapeError(_WHOLE.format("Jacobian"))
            return _recorded_jacobian(function, args, kwargs, positions, single)
        traced = Traced(
            function, args, kwargs, positions, client, by="jacobian", allow_reads=self._options["allow_reads"]
        )
        if not traced.outputs:
            raise TraceError("the function returned nothing to differentiate: end it with `return ...`")
        outputs = list(dict.fromkeys(traced.outputs))
        options = {"method": method, "sparse": sparse or None}
        answer = traced.ask("jacobian", wrt=traced.wrt, outputs=outputs, **options)["jacobian"]
        _advise("Jacobian", traced, answer, function)
        return traced.answered([_row(traced, answer[name], single) for name in traced.outputs])


@refusing_foreign
def hessian(
    function: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    sparse: bool = False,
    allow_reads: bool = False,
    client: Client | None = None,
) -> Callable[..., Any]:
    """Return a function that computes the Hessian of `function`, which returns one number.

    The Hessian is an array of shape a.shape + a.shape; for structures of arguments, or several `argnums`, the
    structure twice, with blocks a.shape + b.shape. With `sparse`, arrays are `Sparse`. While a tape or a
    traced function records, it consists of nodes, and is not sparse.
    """
    check_function("hessian", function, argnums)
    return _Hessian(function, argnums=argnums, allow_reads=allow_reads, sparse=sparse, client=client)


class _Hessian(Transformed):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function, client = self._function, self._options["client"]
        sparse = self._options["sparse"]
        positions, single = positions_of(self._options["argnums"], len(args))
        if recorder.get() is not None:
            if sparse:
                raise TapeError(_WHOLE.format("Hessian"))
            return _recorded_hessian(function, args, kwargs, positions, single)
        traced = Traced(
            function, args, kwargs, positions, client, by="hessian", allow_reads=self._options["allow_reads"]
        )
        target_of(function, traced.answer, has_aux=False, name="hessian")
        with told_of(function, "hessian"):
            answer = traced.ask("hessian", wrt=traced.wrt, target=traced.outputs[0], sparse=sparse or None)
        answer = answer["hessian"]
        _advise("Hessian", traced, answer, function)
        rows = [_row(traced, answer[name], single) for name in traced.wrt]
        shaped = rebuild(traced.sources, iter(rows))
        return shaped[0] if single else shaped


def _advise(what: str, traced: Traced, answer: Any, function: Callable[..., Any]) -> None:
    """Warn of blocks that are not finite, and of an argument by which all blocks are zero."""
    label = getattr(function, "__name__", "function")
    for row in answer.values():
        for name in traced.wrt:
            advise_entries(what, name, block(row[name]), f"gradwire.explain({label}, …)")
    for name in traced.wrt:
        blocks = [block(row[name]) for row in answer.values()]
        if not any(np.any(getattr(one, "values", one)) for one in blocks):
            advise_zeros(what, name, traced.lowered)


def _row(traced: Traced, blocks: Any, single: bool) -> Any:
    shaped = rebuild(traced.sources, iter([block(blocks[name]) for name in traced.wrt]))
    return shaped[0] if single else shaped


def _recorded_jacobian(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    positions: Sequence[int],
    single: bool,
) -> Any:
    """One node: for each array of the answer, blocks by every array of the arguments at `positions`."""
    chosen, call = of_positions(function, args, kwargs, positions)
    body, lowered, captured = run_closed(call, *chosen)
    own = list(leaves(chosen))
    wrt = list(range(len(own)))
    node = trace("jacobian", [*own, *tensors(captured)], {"wrt": wrt}, functions={"function": lowered})
    blocks = iter([Tensor(Edge(node, k)) for k in range(len(body.roots) * len(own))])
    rows = [rebuild(chosen, blocks) for _ in body.roots]
    return rebuilt(body.answer, [row[0] if single else row for row in rows])


def _recorded_hessian(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    positions: Sequence[int],
    single: bool,
) -> Any:
    """By one array a node of its own; by several the Jacobian of the gradient."""
    chosen, call = of_positions(function, args, kwargs, positions)
    if not single or isinstance(chosen[0], list | tuple | dict):
        argnums = positions[0] if single else tuple(positions)
        return jacobian(grad(function, argnums), argnums)(*args, **kwargs)
    _, lowered, captured = run_closed(call, *chosen)
    inputs = [*chosen, *tensors(captured)]
    return Tensor(Edge(trace("hessian", inputs, {"wrt": [0]}, functions={"function": lowered})))

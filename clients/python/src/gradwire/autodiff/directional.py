"""`jvp`, `vjp`, `hvp`, `gnvp`: derivatives in directions, none of them ever a matrix.

Called plainly they send one request and answer NumPy arrays. Inside of a tape, or of another function that
is traced, they record nodes and answer tensors, which can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradwire._client.client import Client
from gradwire._tracing.node import Edge, recorder
from gradwire._tracing.structure import leaves, rebuild
from gradwire._tracing.subgraph import rebuilt, run_closed, tensors
from gradwire._tracing.tensor import Tensor
from gradwire._tracing.tracer import trace
from gradwire.autodiff.functional import grad, plain, positions_of
from gradwire.autodiff.traced_function import Traced, directions
from gradwire.autodiff.transformed import Transformed

__all__ = ["gnvp", "hvp", "jvp", "vjp"]


def jvp(
    function: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    allow_reads: bool = False,
    client: Client | None = None,
) -> tuple[Any, Any]:
    """Return `function(*primals)` and its Jacobian times `tangents`, both in the structure of the result.

    `tangents` has the structure of `primals`, a tuple of arguments.
    """
    primals, tangents = _pair_of_tuples(primals, tangents)
    if recorder.get() is not None:
        return _recorded_jvp(function, primals, tangents)
    traced = Traced(function, primals, {}, range(len(primals)), client, by="jvp", allow_reads=allow_reads)
    outputs = list(dict.fromkeys(traced.outputs))
    answer = traced.ask("jvp", tangents=directions(traced.wrt, tangents), outputs=outputs)
    both = ([plain(answer[key][name]) for name in traced.outputs] for key in ("outputs", "jvp"))
    value, tangent = (traced.answered(values) for values in both)
    return value, tangent


def _pair_of_tuples(primals: Any, tangents: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Both as tuples; raises TypeError for an array in place of a tuple, and for different lengths."""
    for name, values in (("primals", primals), ("tangents", tangents)):
        if not isinstance(values, tuple | list):
            raise TypeError(
                f"expected a tuple of arguments as `{name}` of gw.jvp, got {type(values).__name__}: write "
                "gw.jvp(f, (x,), (v,))"
            )
    if len(primals) != len(tangents):
        raise TypeError(
            f"expected a tangent for each of {len(primals)} primals of gw.jvp, got {len(tangents)}"
        )
    return tuple(primals), tuple(tangents)


def _check_call(name: str, argnums: Any, others: Sequence[Any]) -> None:
    """Raise TypeError for arguments of the function that are given to what makes the product."""
    positions = argnums if isinstance(argnums, tuple | list) else (argnums,)
    if others or not all(isinstance(p, int) for p in positions):
        raise TypeError(f"gw.{name}(f) returns a function of the arguments and a vector: gw.{name}(f)(x, v)")


def vjp(
    function: Callable[..., Any], *primals: Any, allow_reads: bool = False, client: Client | None = None
) -> tuple[Any, Callable[[Any], Any]]:
    """Return `function(*primals)` and a function of a cotangent: the transposed Jacobian times it.

    That function takes a cotangent in the structure of the result and returns a tuple, one array for each of
    `primals`, in one request for each call. The result consists of tensors, whose values are requested when
    they are read.
    """
    if recorder.get() is not None:
        return _recorded_vjp(function, primals)
    traced = Traced(function, primals, {}, range(len(primals)), client, by="vjp", allow_reads=allow_reads)

    def pullback(cotangents: Any) -> Any:
        vectors = [leaf for leaf in leaves(cotangents) if leaf is not None]
        seeds = directions(traced.outputs, vectors)
        answer = traced.ask("vjp", cotangents=seeds, wrt=traced.wrt)["vjp"]
        pulled = [None if answer[name] is None else plain(answer[name]) for name in traced.wrt]
        return rebuild(traced.sources, iter(pulled))

    return traced.tensors, pullback


def hvp(
    function: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *others: Any,
    allow_reads: bool = False,
    client: Client | None = None,
) -> Callable[..., Any]:
    """Return a function of the arguments of `function` and, last, a vector: the Hessian times that vector.

    `function` returns one number. The vector, and the result, have the structure and the shapes of the
    argument at `argnums`; if `argnums` is a sequence, they are tuples of such.
    """
    _check_call("hvp", argnums, others)
    return _Hvp(function, argnums=argnums, allow_reads=allow_reads, client=client)


class _Hvp(Transformed):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function, client = self._function, self._options["client"]
        *arguments, vector = args
        positions, single = positions_of(self._options["argnums"], len(arguments))
        if recorder.get() is not None:
            chosen, call = of_positions(function, arguments, kwargs, positions)
            gradients = grad(call, tuple(range(len(positions))), unconnected_gradients="zero")
            pushed = _recorded_jvp(gradients, chosen, (vector,) if single else tuple(vector))[1]
            return pushed[0] if single else pushed
        traced = Traced(
            function, arguments, kwargs, positions, client, by="hvp", allow_reads=self._options["allow_reads"]
        )
        vectors = directions(traced.wrt, vector)
        answer = traced.ask("hvp", vectors=vectors, target=traced.outputs[0])["hvp"]
        return in_structure(traced, answer, single)


def gnvp(
    function: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *others: Any,
    allow_reads: bool = False,
    client: Client | None = None,
) -> Callable[..., Any]:
    """Return a function of the arguments of `function` and, last, a vector: Jᵀ J times that vector.

    J is the Jacobian of what `function` returns, residuals for example. Structures are as in `hvp`.
    """
    _check_call("gnvp", argnums, others)
    return _Gnvp(function, argnums=argnums, allow_reads=allow_reads, client=client)


class _Gnvp(Transformed):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function, client = self._function, self._options["client"]
        *arguments, vector = args
        positions, single = positions_of(self._options["argnums"], len(arguments))
        if recorder.get() is not None:
            chosen, call = of_positions(function, arguments, kwargs, positions)
            pushed = _recorded_jvp(call, chosen, (vector,) if single else tuple(vector))[1]
            pulled = _recorded_vjp(call, chosen)[1](pushed)
            return pulled[0] if single else pulled
        traced = Traced(
            function,
            arguments,
            kwargs,
            positions,
            client,
            by="gnvp",
            allow_reads=self._options["allow_reads"],
        )
        vectors = directions(traced.wrt, vector)
        outputs = list(dict.fromkeys(traced.outputs))
        answer = traced.ask("gnvp", vectors=vectors, outputs=outputs)["gnvp"]
        return in_structure(traced, answer, single)


def in_structure(traced: Traced, answer: Any, single: bool) -> Any:
    """Arrays by name, in the structure of the arguments."""
    shaped = rebuild(traced.sources, iter([plain(answer[name]) for name in traced.wrt]))
    return shaped[0] if single else shaped


def of_positions(
    function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], positions: Sequence[int]
) -> tuple[tuple[Any, ...], Callable[..., Any]]:
    """The arguments at some positions, and the function of these alone."""

    def call(*chosen: Any) -> Any:
        arguments = list(args)
        for position, value in zip(positions, chosen, strict=True):
            arguments[position] = value
        return function(*arguments, **kwargs)

    return tuple(args[position] for position in positions), call


def _recorded_jvp(
    function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[Any, Any]:
    body, lowered, captured = run_closed(function, *primals)
    outside = tensors(captured)
    still = [trace("zeros_like", (tensor,)) for tensor in outside]
    inputs = [*leaves(primals), *outside]
    moved = [*leaves(tangents), *(Tensor(Edge(node)) for node in still)]
    called = trace("call", inputs, functions={"function": lowered})
    pushed = trace("jvp", [*inputs, *moved], functions={"function": lowered})
    value, tangent = (
        rebuilt(body.answer, [Tensor(Edge(node, k)) for k in range(len(body.roots))])
        for node in (called, pushed)
    )
    return value, tangent


def _recorded_vjp(function: Callable[..., Any], primals: Sequence[Any]) -> tuple[Any, Callable[[Any], Any]]:
    body, lowered, captured = run_closed(function, *primals)
    own = list(leaves(primals))
    inputs = [*own, *tensors(captured)]
    called = trace("call", inputs, functions={"function": lowered})

    def pullback(cotangents: Any) -> Any:
        vectors = [leaf for leaf in leaves(cotangents) if leaf is not None]
        wrt = list(range(len(own)))
        node = trace("vjp", [*inputs, *vectors], {"wrt": wrt}, functions={"function": lowered})
        return rebuild(tuple(primals), iter([Tensor(Edge(node, k)) for k in wrt]))

    return rebuilt(body.answer, [Tensor(Edge(called, k)) for k in range(len(body.roots))]), pullback

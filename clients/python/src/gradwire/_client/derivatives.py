"""The calls about derivatives in directions, of second order, and about derivatives themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from gradwire._client import products
from gradwire._client.function import FunctionLike, resolve
from gradwire._client.options import (
    CheckOptions,
    EstimateOptions,
    GnvpOptions,
    HessianOptions,
    HvpOptions,
    JacobianOptions,
    JvpOptions,
)
from gradwire._client.session import Session
from gradwire._transport.driver import D_co, Driven, call
from gradwire._transport.flow import Flow
from gradwire.results import Check, GaussNewtonProduct, Hessian, HessianProduct, Jacobian, Pushforward


class Derivatives(Driven[D_co]):
    """What a client asks beside values and gradients. Functions, inputs and errors are those of Calls."""

    _session: Session

    @call
    def jvp(
        self,
        function: FunctionLike | None = None,
        inputs: Mapping[str, Any] | None = None,
        tangents: Mapping[str, Any] | None = None,
        *,
        program: str | None = None,
        graph: Mapping[str, Any] | None = None,
        **options: Unpack[JvpOptions],
    ) -> Flow[Pushforward]:
        """Tangents of inputs pushed forward to the outputs; a tangent that is missing is zero."""
        chosen = resolve(self._session, function, program, graph)
        return (yield from products.jvp(self._session, chosen, inputs, tangents, options))

    @call
    def jacobian(
        self,
        function: FunctionLike | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        program: str | None = None,
        graph: Mapping[str, Any] | None = None,
        **options: Unpack[JacobianOptions],
    ) -> Flow[Jacobian]:
        """Every output by every input of `wrt`, in blocks of shape out.shape + in.shape.

        `method` is "forward", "reverse" or "auto", the cheaper one. With `sparse`, blocks are `Sparse`.
        """
        chosen = resolve(self._session, function, program, graph)
        return (yield from products.jacobian(self._session, chosen, inputs, options))

    @call
    def hessian(
        self,
        function: FunctionLike | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        program: str | None = None,
        graph: Mapping[str, Any] | None = None,
        **options: Unpack[HessianOptions],
    ) -> Flow[Hessian]:
        """Second derivatives of a scalar target, in blocks a.shape + b.shape; with `sparse`, as `Sparse`."""
        chosen = resolve(self._session, function, program, graph)
        return (yield from products.hessian(self._session, chosen, inputs, options))

    @call
    def hvp(
        self,
        function: FunctionLike | None = None,
        inputs: Mapping[str, Any] | None = None,
        vectors: Mapping[str, Any] | None = None,
        *,
        program: str | None = None,
        graph: Mapping[str, Any] | None = None,
        **options: Unpack[HvpOptions],
    ) -> Flow[HessianProduct]:
        """The Hessian of a scalar target times vectors, without forming it."""
        chosen = resolve(self._session, function, program, graph)
        return (yield from products.hvp(self._session, chosen, inputs, vectors, options))

    @call
    def gnvp(
        self,
        function: FunctionLike | None = None,
        inputs: Mapping[str, Any] | None = None,
        vectors: Mapping[str, Any] | None = None,
        *,
        program: str | None = None,
        graph: Mapping[str, Any] | None = None,
        **options: Unpack[GnvpOptions],
    ) -> Flow[GaussNewtonProduct]:
        """Jᵀ J of the outputs times vectors, without forming either."""
        chosen = resolve(self._session, function, program, graph)
        return (yield from products.gnvp(self._session, chosen, inputs, vectors, options))

    @call
    def check(
        self,
        function: FunctionLike | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        program: str | None = None,
        graph: Mapping[str, Any] | None = None,
        **options: Unpack[CheckOptions],
    ) -> Flow[Check]:
        """Whether the derivatives at a point are right, by Taylor remainders and by <Jv, w> = <v, Jᵀw>."""
        chosen = resolve(self._session, function, program, graph)
        return (yield from products.check(self._session, chosen, inputs, options))

    @call
    def estimate(
        self,
        function: FunctionLike | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        program: str | None = None,
        graph: Mapping[str, Any] | None = None,
        **options: Unpack[EstimateOptions],
    ) -> Flow[dict[str, Any]]:
        """What a function costs, before anything runs: FLOPs, bytes and peak memory, node by node.

        `inputs` are arrays, or only their descriptions: {"x": {"shape": [1000], "dtype": "float64"}}. With
        `sparse` the sparse Jacobian and Hessian as well, with the products that they take.
        """
        chosen = resolve(self._session, function, program, graph)
        return (yield from products.estimate(self._session, chosen, inputs, options))

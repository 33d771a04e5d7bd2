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
    """Calls beside values and gradients. Functions, inputs, options and errors are those of `Calls`."""

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
        """Return the outputs and the Jacobian-vector products with `tangents`, one for each output.

        `tangents` are arrays shaped like the inputs; a missing one is zero.
        """
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
        """Return the derivative of every output by every input of `wrt`.

        Blocks have the shape out.shape + in.shape; with `sparse` they are `Sparse`. `method` is "forward",
        "reverse" or "auto", the cheaper one.
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
        """Return second derivatives of a scalar target, in blocks a.shape + b.shape or as `Sparse`."""
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
        """Return the Hessian of a scalar target times `vectors`, without forming it."""
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
        """Return Jᵀ J of the outputs times `vectors`, without forming either."""
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
        """Test the derivatives at a point, by Taylor remainders and by <Jv, w> = <v, Jᵀw>."""
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
        """Return the cost of a function before anything runs.

        FLOPs, bytes and peak memory in bytes, node by node, and for each kind of derivative. `inputs` are
        arrays, or only their descriptions: {"x": {"shape": [1000], "dtype": "float64"}}. With `sparse`, the
        result has the sparse Jacobian and Hessian too, with the number of products that they need.
        """
        chosen = resolve(self._session, function, program, graph)
        return (yield from products.estimate(self._session, chosen, inputs, options))

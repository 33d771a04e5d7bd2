"""`function`: a Python function whose graph lives on the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Unpack, overload

from gradwire._client.client import Client, default_client
from gradwire._client.graphs import PublishedGraph
from gradwire._client.options import (
    CheckOptions,
    DiagnoseOptions,
    EstimateOptions,
    EvaluateOptions,
    GnvpOptions,
    GradientOptions,
    HessianOptions,
    HvpOptions,
    JacobianOptions,
    JvpOptions,
    VjpOptions,
)
from gradwire._names.keywords import with_options
from gradwire._tracing.operators import Operators
from gradwire._tracing.structure import leaves
from gradwire._transport.codec import Array
from gradwire._transport.driver import SyncDriver
from gradwire.autodiff.frozen_draws import warn_of_frozen_draws
from gradwire.autodiff.frozen_numbers import FrozenNumbers
from gradwire.autodiff.transformed import Transformed
from gradwire.results import (
    Check,
    GaussNewtonProduct,
    Gradients,
    Hessian,
    HessianProduct,
    Jacobian,
    Pullback,
    Pushforward,
    Report,
)


class PublishedFunction(Transformed):
    """A Python function, traced and published at its first use; after that, calls send numbers only.

    Its parameters without a default are the graph's inputs, by their names; a default is a constant of the
    graph. Called with arrays and numbers it returns arrays, in one request; called with traced tensors it
    records, as the plain function would.
    """

    def __init__(self, function: Callable[..., Any], client: Client | None = None) -> None:
        super().__init__(function)
        self._client = client
        self._published: tuple[Client, PublishedGraph[SyncDriver]] | None = None
        self._numbers: FrozenNumbers | None = None

    def __get__(self, owner: Any, kind: type | None = None) -> PublishedFunction:
        return self  # never bound: its parameters are arrays, so none of them is an object's `self`

    def __getstate__(self) -> dict[str, Any]:
        return {
            **vars(self),
            "_published": None,
            "_numbers": None,
        }  # whoever has the copy publishes it, which is idempotent

    @property
    def graph(self) -> PublishedGraph[SyncDriver]:
        """The graph on the server; it is published if it was not yet."""
        client = self._client or default_client()
        if self._published is None or self._published[0] is not client:
            warn_of_frozen_draws(self._function)
            self._numbers = FrozenNumbers(self._function)
            self._published = (client, client.publish(self._function))
            self._numbers.note_traced()
        if self._numbers is not None:
            self._numbers.warn_of_changes()
        return self._published[1]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result for these arguments: arrays for arrays, a traced tensor where any argument is one."""
        if any(isinstance(leaf, Operators) for leaf in leaves([args, kwargs])):
            return self._function(*args, **kwargs)
        return self.graph(*args, **kwargs)

    @with_options
    def evaluate(
        self, inputs: Mapping[str, Any] | None = None, **options: Unpack[EvaluateOptions]
    ) -> dict[str, Array]:
        """Return the values of `outputs` by name; see Client.evaluate."""
        return self.graph.evaluate(inputs, **options)

    @with_options
    def gradient(
        self, inputs: Mapping[str, Any] | None = None, **options: Unpack[GradientOptions]
    ) -> Gradients:
        """Return the value of the target and its gradients; see Client.gradient."""
        return self.graph.gradient(inputs, **options)

    @with_options
    def vjp(
        self,
        inputs: Mapping[str, Any] | None = None,
        cotangents: Mapping[str, Any] | None = None,
        **options: Unpack[VjpOptions],
    ) -> Pullback:
        """Return the outputs and the vector-Jacobian products; see Client.vjp."""
        return self.graph.vjp(inputs, cotangents, **options)

    @with_options
    def jvp(
        self,
        inputs: Mapping[str, Any] | None = None,
        tangents: Mapping[str, Any] | None = None,
        **options: Unpack[JvpOptions],
    ) -> Pushforward:
        """Return the outputs and the Jacobian-vector products; see Client.jvp."""
        return self.graph.jvp(inputs, tangents, **options)

    @with_options
    def jacobian(
        self, inputs: Mapping[str, Any] | None = None, **options: Unpack[JacobianOptions]
    ) -> Jacobian:
        """Return the derivative of every output by every input of `wrt`; see Client.jacobian."""
        return self.graph.jacobian(inputs, **options)

    @with_options
    def hessian(self, inputs: Mapping[str, Any] | None = None, **options: Unpack[HessianOptions]) -> Hessian:
        """Return second derivatives of a scalar target; see Client.hessian."""
        return self.graph.hessian(inputs, **options)

    @with_options
    def hvp(
        self,
        inputs: Mapping[str, Any] | None = None,
        vectors: Mapping[str, Any] | None = None,
        **options: Unpack[HvpOptions],
    ) -> HessianProduct:
        """Return the Hessian of a scalar target times vectors; see Client.hvp."""
        return self.graph.hvp(inputs, vectors, **options)

    @with_options
    def gnvp(
        self,
        inputs: Mapping[str, Any] | None = None,
        vectors: Mapping[str, Any] | None = None,
        **options: Unpack[GnvpOptions],
    ) -> GaussNewtonProduct:
        """Return Jᵀ J of the outputs times vectors; see Client.gnvp."""
        return self.graph.gnvp(inputs, vectors, **options)

    @with_options
    def diagnose(self, inputs: Mapping[str, Any] | None = None, **options: Unpack[DiagnoseOptions]) -> Report:
        """Return why each gradient is what it is; see Client.diagnose."""
        return self.graph.diagnose(inputs, **options)

    @with_options
    def check(self, inputs: Mapping[str, Any] | None = None, **options: Unpack[CheckOptions]) -> Check:
        """Test the derivatives at a point; see Client.check."""
        return self.graph.check(inputs, **options)

    @with_options
    def estimate(
        self, inputs: Mapping[str, Any] | None = None, **options: Unpack[EstimateOptions]
    ) -> dict[str, Any]:
        """Return the cost of a call before anything runs; see Client.estimate."""
        return self.graph.estimate(inputs, **options)


@overload
def function(function: Callable[..., Any], *, client: Client | None = None) -> PublishedFunction: ...


@overload
def function(
    function: None = None, *, client: Client | None = None
) -> Callable[[Callable[..., Any]], PublishedFunction]: ...


def function(
    function: Callable[..., Any] | None = None, *, client: Client | None = None
) -> PublishedFunction | Callable[[Callable[..., Any]], PublishedFunction]:
    """Publish a Python function at its first use: `@gradwire.function`; see PublishedFunction."""
    if function is None:
        return lambda chosen: PublishedFunction(chosen, client)
    return PublishedFunction(function, client)

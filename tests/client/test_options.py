"""Options of the calls are declared once, and everything that calls a kind of query takes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import numpy as np
import pytest

import gradwire as gw
from gradwire._client import options
from gradwire._client.graphs import PublishedGraph
from gradwire._names.keywords import allowed_keywords, whole_signature
from service.queries.kinds import KINDS

#: Kinds with calls; a graph is published by a method of its own.
KINDS_CALLED = [kind for kind in KINDS.values() if kind.name != "publish"]
CALLERS = (gw.Client, gw.AsyncClient, PublishedGraph, gw.PublishedFunction)
#: Fields that are no options: the function, what a call takes by position, and what the SDK chooses.
NO_OPTIONS = {"program", "graph", "inputs", "cotangents", "tangents", "vectors", "encoding"}
#: Fields that the SDK does not have, and why.
ABSENT = {(kind, "wrt"): "the names of the vectors say it" for kind in ("jvp", "hvp", "gnvp")}

every_kind = pytest.mark.parametrize("kind", KINDS_CALLED, ids=lambda kind: kind.name)


def declared(kind: str) -> dict[str, Any]:
    return get_type_hints(getattr(options, f"{kind.title()}Options"))


def keywords_of(method: Any) -> set[str]:
    """What a method takes as keywords only."""
    parameters = inspect.signature(method).parameters.values()
    assert all(p.kind is not p.VAR_KEYWORD for p in parameters), "help() would not name the options"
    return {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}


@every_kind
def test_the_options_of_a_kind_are_the_server_s(kind: Any) -> None:
    absent = {name for owner, name in ABSENT if owner == kind.name}
    assert declared(kind.name).keys() == kind.request.model_fields.keys() - NO_OPTIONS - absent
    assert absent <= kind.request.model_fields.keys()


@every_kind
@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.__name__)
def test_every_caller_takes_the_options_of_a_kind(caller: type[Any], kind: Any) -> None:
    own = {"program", "graph"} if caller in (gw.Client, gw.AsyncClient) else set()
    assert keywords_of(getattr(caller, kind.name)) == declared(kind.name).keys() | own


@every_kind
def test_a_client_and_a_handle_show_and_refuse_alike(client: gw.Client, kind: Any) -> None:
    published = client.publish("y = x ** 2\nl = sum(y)")
    for call in (getattr(client, kind.name), getattr(published, kind.name)):
        assert "self" not in inspect.signature(call).parameters
        assert keywords_of(call) >= declared(kind.name).keys()
        with pytest.raises(TypeError, match=f"{kind.name} has no keyword 'dtyp'; did you mean 'dtype'"):
            call(dtyp="float32")


def test_a_published_function_sends_options(client: gw.Client) -> None:
    squares = gw.function(lambda x: {"y": x**2, "l": gw.sum(x**2)}, client=client)
    given = {"x": np.array([1.0, 2.0])}
    assert squares.gradient(given, target="l", receipt=True).receipt is not None
    assert squares.evaluate(given, outputs="y", dtype="float32")["y"].dtype == np.float32
    np.testing.assert_array_equal(squares.jvp(given, {"x": [1.0, 0.0]}, outputs="y")["y"], [2.0, 0.0])
    np.testing.assert_array_equal(squares.hvp(given, {"x": [1.0, 0.0]}, target="l")["x"], [2.0, 0.0])
    assert squares.jacobian(given, outputs="y", sparse=True)["y"]["x"].values.tolist() == [2.0, 4.0]
    assert squares.check(given, target="l", seed=3).passed
    with pytest.raises(TypeError, match="gradient has no keyword 'targets'; did you mean 'target'"):
        squares.gradient(given, targets="l")  # type: ignore[call-arg]


#: Functions of the module, the call behind each, and the options that they have under other names.
FUNCTIONS: dict[Callable[..., Any], tuple[str, dict[str, str]]] = {
    gw.value_and_grad: ("gradient", {"unconnected_gradients": "unconnected"}),
    gw.grad: ("gradient", {"unconnected_gradients": "unconnected"}),
    gw.GradientTape: ("gradient", {}),
    gw.jacobian: ("jacobian", {}),
    gw.hessian: ("hessian", {}),
    gw.jvp: ("jvp", {}),
    gw.vjp: ("vjp", {}),
    gw.hvp: ("hvp", {}),
    gw.gnvp: ("gnvp", {}),
}
#: What only functions of Python have: which arguments, what is read, who sends, what a tape watches.
OF_PYTHON = {"has_aux", "allow_reads", "client", "persistent", "watch_accessed_variables"}
#: Options of the calls that functions of Python have no use for, and why.
OTHERWISE = {
    **dict.fromkeys(("wrt", "target", "outputs"), "the arguments and the result of the function"),
    **dict.fromkeys(("batch", "cotangent_batch"), "gw.vmap"),
    "dtype": "arrays have theirs",
    "device": "the client's, gw.Client(device=…)",
    "optimize": "a switch for measurements",
    "exact": "a switch for measurements",
    "diagnose": "tape.explain and gw.explain",
    "receipt": "client.gradient(function, …)",
    "return_graph": "the graph of a gradient is traced: call gw.grad inside of a function",
}
#: Options that a function could have and has not.
NOT_YET = {
    **dict.fromkeys((gw.jacobian, gw.hessian, gw.jvp, gw.vjp, gw.hvp, gw.gnvp), {"stabilize"}),
    gw.GradientTape: {"unconnected"},  # each `tape.gradient(…)` says it
}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_functions_of_the_module_take_options_of_their_kind(function: Callable[..., Any]) -> None:
    kind, names = FUNCTIONS[function]
    given = keywords_of(function) - OF_PYTHON
    assert {names.get(name, name) for name in given} == (
        declared(kind).keys() - OTHERWISE.keys() - NOT_YET.get(function, set())
    )


def test_a_signature_without_options_is_left_alone() -> None:
    def plain(self: Any, a: int, *, b: int = 2) -> None: ...

    def anything(**settings: int) -> None: ...

    assert whole_signature(plain) == inspect.signature(plain)
    assert whole_signature(anything) == inspect.signature(anything)
    assert allowed_keywords(plain) is allowed_keywords(anything) is None

"""What travels between processes: transformed functions, errors, results, clients and models pickle."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire import errors
from gradwire._locations import Place
from gradwire.autodiff.vmap import vmap


def cube(x: Any) -> Any:
    """The sum of third powers."""
    return gw.sum(x**3)


def rows(x: Any) -> Any:
    return x * np.array([1.0, 2.0])


@gw.grad
def decorated(x: Any) -> Any:
    return gw.sum(x**2)


@gw.custom_gradient
def clipped(x: Any) -> Any:
    return gw.exp(x), lambda dy: dy * 10.0


@gw.function
def published(x: Any) -> Any:
    return gw.sum(x**2)


class Loss:
    """With a function of its own rule as a method."""

    @gw.custom_gradient
    def doubled(x: Any) -> Any:  # called on the class
        return x * 2.0, lambda dy: dy * 5.0


def through_rule(x: Any) -> Any:
    return gw.sum(gw.custom_gradient(scaled)(x))


def scaled(x: Any) -> Any:
    return x * 2.0, lambda dy: dy * 7.0


X = np.array([1.0, 2.0])
V = np.array([1.0, 0.5])
MADE: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "grad": (gw.grad(cube), (X,)),
    "grad of a partial": (gw.grad(functools.partial(cube)), (X,)),
    "value_and_grad": (gw.value_and_grad(cube), (X,)),
    "jacobian": (gw.jacobian(rows), (X,)),
    "hessian": (gw.hessian(cube), (X,)),
    "hvp": (gw.hvp(cube), (X, V)),
    "gnvp": (gw.gnvp(rows), (X, V)),
    "vmap": (vmap(gw.grad(cube)), (np.stack([X, V]),)),
    "checkpoint": (gw.grad(gw.checkpoint(cube)), (X,)),
    "custom_gradient": (gw.grad(through_rule), (X,)),
    "function": (gw.function(cube), (X,)),
    "decorated": (decorated, (X,)),
    "decorated rule": (gw.grad(clipped), (0.5,)),
    "decorated function": (published, (X,)),
    "rule in a class": (gw.grad(Loss.doubled), (0.5,)),
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.usefixtures("client")
def test_transformed_functions_pickle(name: str) -> None:
    made, arguments = MADE[name]
    for again in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made), copy.copy(made)):
        expected, came = made(*arguments), again(*arguments)
        for one, other in zip(flat(expected), flat(came), strict=True):
            np.testing.assert_array_equal(one, other)


def flat(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple) else [value]


def test_transformed_functions_look_like_what_they_transform() -> None:
    for make in (gw.grad, gw.value_and_grad, gw.jacobian, gw.hessian, gw.hvp, gw.gnvp, vmap, gw.checkpoint):
        made: Any = make(cube)
        assert (made.__name__, made.__doc__, made.__wrapped__) == ("cube", cube.__doc__, cube)
        assert made.__module__ == cube.__module__
        assert inspect.signature(made) == inspect.signature(cube)
        assert "cube" in repr(made)
        assert inspect.signature(gw.grad(made)) == inspect.signature(cube)
    assert gw.custom_gradient(scaled).__wrapped__ is scaled  # type: ignore[attr-defined]


@pytest.mark.usefixtures("client")
def test_transformed_functions_are_methods_where_functions_would_be() -> None:
    class Model:
        scale = 3.0

        def _loss(self, x: Any) -> Any:
            return self.scale * x * x

        slope = gw.grad(_loss, argnums=1)

        @staticmethod
        @gw.grad
        def alone(x: Any) -> Any:
            return x * x

    assert (Model().slope(2.0), Model.alone(2.0)) == (12.0, 4.0)


def test_attributes_of_a_function_are_kept_and_never_confused_with_the_transformations() -> None:
    def square(x: Any) -> Any:
        return x * x

    square.unit = "m"  # type: ignore[attr-defined]
    assert gw.grad(square).unit == "m"  # type: ignore[attr-defined]
    outer: Any = vmap(gw.grad(square), in_axes=0)
    assert outer._function.__wrapped__ is square


PLACE = Place("/home/me/model.py", 7)
PROBLEM = {
    "code": "over_limit",
    "status": 422,
    "detail": "too much",
    "hint": "ask for less",
    "path": "graph.nodes[0]",
    "node": "n",
    "op": "matmul",
    "source": {"line": 1, "text": "a @ b"},
    "estimate": {"flops": 10**12},
    "step": 3,
    "diagnosis": {"node": "n", "rows": [1]},
}


def errors_of_all_kinds() -> list[errors.GradwireError]:
    made: list[errors.GradwireError] = []
    for kind in vars(errors).values():
        if not isinstance(kind, type) or not issubclass(kind, errors.GradwireError):
            continue
        if issubclass(kind, errors.ProblemError):
            made.append(kind(PROBLEM, place=PLACE, request_id="r1"))
        elif issubclass(kind, errors.NoAnswer):
            made.append(kind("nobody", sent=True))
        elif issubclass(kind, errors.UnexpectedAnswer):
            made.append(kind("a proxy", status=502))
        elif kind is errors.JobFailed:
            made.append(kind("j1", PROBLEM))  # type: ignore[call-arg]
        elif issubclass(kind, errors.JobError):
            made.append(kind("ended", job_id="j1"))
        else:
            made.append(kind("what went wrong"))
    return made


ERRORS = errors_of_all_kinds()


def told(error: BaseException) -> dict[str, Any]:
    """Everything that can be asked of an error: its fields, its properties, its text, its cause."""
    names = [name for name in dir(error) if not name.startswith("__")]
    fields = {name: getattr(error, name) for name in names if not callable(getattr(error, name))}
    nested = {name: told(each) for name, each in fields.items() if isinstance(each, BaseException)}
    cause = error.__cause__ and told(error.__cause__)
    return {**fields, **nested, "text": str(error), "kind": type(error), "cause": cause}


def test_the_errors_of_the_table_are_all_there() -> None:
    assert {type(error) for error in ERRORS} >= set(errors.CODES.values())
    assert len(ERRORS) > 50


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_errors_pickle_with_all_their_fields(error: errors.GradwireError, protocol: int) -> None:
    again = pickle.loads(pickle.dumps(error, protocol))
    assert told(again) == told(error)
    assert told(copy.deepcopy(error)) == told(copy.copy(error)) == told(error)


def test_the_cause_of_an_error_and_its_notes_travel_as_text() -> None:
    try:
        try:
            try:
                raise OSError(111, "refused")
            except OSError as refused:
                raise errors.NoAnswer("nobody", sent=False) from refused
        except errors.NoAnswer as nobody:
            raise errors.TraceError("inside") from nobody
    except errors.TraceError as error:
        error.add_note("while training")
        again = pickle.loads(pickle.dumps(error))
    assert again.__notes__ == ["while training"]
    assert isinstance(again.__cause__, errors.NoAnswer)
    assert str(again.__cause__.__cause__) == "ConnectionRefusedError: [Errno 111] refused"
    assert "refused" in "".join(traceback.format_exception(pickle.loads(pickle.dumps(again))))


class MyError(errors.OverLimit):
    """A user's own kind, with a constructor of its own."""

    def __init__(self, limit: int) -> None:
        super().__init__(PROBLEM)
        self.limit = limit


def test_errors_of_ones_own_kind_pickle_too() -> None:
    again = pickle.loads(pickle.dumps(MyError(3)))
    assert (again.limit, again.node, type(again)) == (3, "n", MyError)

"""The place that a tape's ops lead to: the same for the same trace, another one for any other."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire._tracing.lower import lower
from gradwire._transport.codec import post
from gradwire.autodiff import gradient_requests
from gradwire.autodiff.sources import source_of
from gradwire.autodiff.targets import target_edge
from tests.client.fake import fake_server

BINARY = [gw.add, gw.subtract, gw.multiply, gw.maximum]
UNARY = [gw.exp, gw.tanh, gw.square]


def random_loss(seed: int, tensors: list[Any]) -> Any:
    """A random function of some tensors and numbers, which may use the same one several times."""
    rng = random.Random(seed)
    values = list(tensors)
    for _ in range(rng.randint(1, 8)):
        kind = rng.random()
        if kind < 0.5:
            made = rng.choice(BINARY)(rng.choice(values), rng.choice(values))
        elif kind < 0.7:
            made = rng.choice(UNARY)(rng.choice(values))
        elif kind < 0.85:
            made = rng.choice(values) * rng.choice([1, 1.0, True, 2.0, -0.0, 0.0])
        else:
            made = gw.sum(rng.choice(values), axis=rng.choice([None, 0]))
        values.append(made)
    return gw.sum(values[-1])


@pytest.fixture
def session() -> Iterator[Any]:
    with fake_server() as (_, client):
        yield client._session


def asked(session: Any, tape: gw.GradientTape, loss: Any, sources: list[Any]) -> Any:
    """The question that a tape puts."""
    edge = target_edge(loss, None, tape._recorder)
    described = [source_of(leaf, k) for k, leaf in enumerate(sources)]
    return gradient_requests.question(session, tape._recorder, edge, described, {})


def sent(question: Any) -> tuple[Any, bytes]:
    """The graph that it is about, and the bytes of the request."""
    return question.known.document.graph, post("/", question.body()).content


@pytest.mark.parametrize("seed", range(200))
def test_a_trace_that_was_met_before_sends_what_a_new_one_sends(session: Any, seed: int) -> None:
    count = 1 + seed % 3

    def question(trail: bool) -> Any:
        variables = [gw.Variable([0.1 * seed + k, 1.0], name=f"v{k}") for k in range(count)]
        data = gw.constant([float(seed), 2.0])
        with gw.GradientTape() as tape:
            loss = random_loss(seed % 60, [*variables, data])
        if not trail:
            tape._recorder.trail = None
        return asked(session, tape, loss, list(variables))

    first, again, afresh = question(True), question(True), question(False)
    if afresh.lowered.reached() and all(
        v in again.known.document.names for names in again.wrt for v in names
    ):
        assert sent(again) == sent(afresh) == sent(first)
    assert again.lowered.key == afresh.lowered.key


def key_of(make: Callable[[list[Any]], Any], values: list[Any]) -> Any:
    """The key of what a function records of variables with these values."""
    variables = [gw.Variable(value, name=f"v{k}") for k, value in enumerate(values)]
    with gw.GradientTape() as tape:
        loss = make(variables)
    edge = target_edge(loss, None, tape._recorder)
    described = [source_of(leaf, k) for k, leaf in enumerate(variables)]
    return gradient_requests.trace_key(tape._recorder, edge, described)


TWO = [[1.0, 2.0], [3.0, 4.0]]
FUNCTIONS: dict[str, Callable[[list[Any]], Any]] = {
    "a product": lambda v: gw.sum(v[0] * v[1]),
    "the other way round": lambda v: gw.sum(v[1] * v[0]),
    "a square": lambda v: gw.sum(v[0] * v[0]) + gw.sum(v[1]) * 0.0,
    "an integer": lambda v: gw.sum(v[0] * v[1] * 1),
    "a float": lambda v: gw.sum(v[0] * v[1] * 1.0),
    "a boolean": lambda v: gw.sum(v[0] * v[1] * True),
    "a zero": lambda v: gw.sum(v[0] * v[1] * 0.0),
    "another zero": lambda v: gw.sum(v[0] * v[1] * -0.0),
    "an axis": lambda v: gw.sum(gw.sum(v[0] * v[1], axis=0)),
    "a constant": lambda v: gw.sum(v[0] * v[1] * np.ones(2)),
    "one constant of float32": lambda v: gw.sum(v[0] * v[1] * np.ones(2, np.float32)),
}


def test_traces_that_differ_have_different_keys() -> None:
    keys = {name: key_of(make, TWO) for name, make in FUNCTIONS.items()}
    assert None not in keys.values()
    assert len(set(keys.values())) == len(keys)
    assert keys == {name: key_of(make, [[5.0, 6.0], [7.0, 8.0]]) for name, make in FUNCTIONS.items()}


def test_a_variable_that_was_assigned_on_the_tape_is_told_from_two_variables(session: Any) -> None:
    def question(assign: bool) -> Any:
        v = gw.Variable([1.0], name="v")
        w = v if assign else gw.Variable([2.0], name="v")
        with gw.GradientTape() as tape:
            first = v * 2.0
            if assign:
                v.assign([2.0])
            loss = gw.sum(first * w)
        return asked(session, tape, loss, [v])

    for _ in range(2):
        assert [len(names) for names in question(True).wrt] == [2]
        assert [len(names) for names in question(False).wrt] == [1]


def test_what_was_computed_outside_of_the_tape_has_no_key() -> None:
    v = gw.Variable([1.0, 2.0])
    outside = gw.exp(v)
    with gw.GradientTape() as tape:
        loss = gw.sum(v * outside)
    described = [source_of(v, 0)]
    edge = target_edge(loss, None, tape._recorder)
    assert gradient_requests.trace_key(tape._recorder, edge, described) is None


def test_a_second_step_is_not_put_in_order(monkeypatch: pytest.MonkeyPatch, client: gw.Client) -> None:
    w, x = gw.Variable([0.5], name="w"), gw.constant([1.0, 2.0])

    def step() -> Any:
        with gw.GradientTape() as tape:
            loss = gw.mean((w * x - 1.0) ** 2)
        gradient = tape.gradient(loss, w)
        w.assign_sub(0.1 * gradient)
        return gradient.numpy()

    step()
    calls: list[int] = []

    def noting(*args: Any, **options: Any) -> Any:
        calls.append(1)
        return lower(*args, **options)

    monkeypatch.setattr(gradient_requests, "lower", noting)
    value = w.numpy()
    np.testing.assert_allclose(step(), np.mean(2 * (value * [1.0, 2.0] - 1) * [1.0, 2.0]), rtol=1e-12)
    assert not calls


def test_a_problem_at_a_later_step_still_names_the_line(client: gw.Client) -> None:
    w = gw.Variable([1.0, 2.0], name="w")
    for size in (2, 2, 3):  # the third has a shape that does not fit, in a trace that was met before
        data = gw.constant(np.ones(size))
        with gw.GradientTape() as tape:
            loss = gw.sum(w * data)  # this line
        if size == 2:
            tape.gradient(loss, w)
            continue
        with pytest.raises(gw.ProblemError) as caught:
            tape.gradient(loss, w)
        assert caught.value.place is not None
        assert "this line" in caught.value.place.text


def test_the_tree_of_trails_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradwire._tracing import trail

    monkeypatch.setattr(trail, "_MOST_STATES", 50)
    monkeypatch.setattr(trail, "_tree", trail._Tree())
    v = gw.Variable([1.0])
    for k in range(100):
        with gw.GradientTape():
            gw.sum(v * float(k))
        assert trail._tree.states <= 51

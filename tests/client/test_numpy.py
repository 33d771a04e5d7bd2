"""Traced tensors behave as NumPy's arrays do: the same expression, both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire.errors import TraceError, UnsupportedFunction

pytestmark = pytest.mark.usefixtures("client")

A = np.array([[1.5, -2.0, 0.25], [0.5, 3.0, -1.0]])
B = np.array([[0.5, 1.0, 2.0]])

EXPRESSIONS: dict[str, Callable[[Any, Any], Any]] = {
    "arithmetic": lambda a, b: (a + 2 * b - 1.5) / (b**2 + 1) - -a,
    "reflected": lambda a, b: (3 - a) + (1 / b) + (2**b) + (7 // b) + (7.5 % b),
    "floors": lambda a, b: a // b + a % b,
    "matmul": lambda a, b: a @ b.T,
    "array on the left": lambda a, b: A * a + np.float64(2) * b,
    "comparisons": lambda a, b: (a > b) & (a != 3.0) | ~(a <= 0.0),
    "exclusive or": lambda a, b: (a > 0.0) ^ (b > 1.0),
    "absolute": lambda a, b: abs(+a) + np.absolute(b),
    "ufuncs": lambda a, b: np.exp(a) + np.tanh(b) * np.maximum(a, b) + np.arctan2(a, b),
    "reduce": lambda a, b: np.add.reduce(a, axis=1) + np.maximum.reduce(a, axis=1),
    "sum": lambda a, b: np.sum(a, axis=0, keepdims=True) + np.mean(b),
    "statistics": lambda a, b: np.var(a, axis=0) + np.std(b, ddof=1),
    "where": lambda a, b: np.where(a > b, a, b * 0.0),
    "concatenate": lambda a, b: np.concatenate((a, b), axis=0),
    "stack": lambda a, b: np.stack([a[0], b[0]], axis=-1),
    "shaping": lambda a, b: np.reshape(a, (3, 2)) + np.transpose(a),
    "methods": lambda a, b: a.reshape(3, 2).T + a.sum(axis=1)[:, None] * b.mean(),
    "flatten": lambda a, b: a.flatten()[::2] * a.ravel()[1::2],
    "transposes": lambda a, b: a.transpose(1, 0) @ a + a.mT @ a,
    "indexing": lambda a, b: a[:, 1:] * a[0, ..., None][:2] + a[-1, 0],
    "lists": lambda a, b: a[[0, 1, 1]][:, [2, 0]],
    "arrays": lambda a, b: a[:, np.array([0, 0, 2])],
    "masks": lambda a, b: a[:, np.array([True, False, True])],
    "clip": lambda a, b: np.clip(a, -1.0, 1.0) + a.clip(-0.5, 0.5),
    "argmax": lambda a, b: np.argmax(a, axis=1) + a.argmin(axis=1),
    "an axis of None": lambda a, b: (
        np.sort(a, axis=None) + np.argsort(a, axis=None) + np.concatenate([a, b], axis=None)[:6]
    ),
    "argmax of everything, kept": lambda a, b: np.argmax(a, keepdims=True) + a * 0,
    "a list of one": lambda a, b: np.split(a, 1)[0] + np.meshgrid(b[0])[0] + np.stack([a])[0],
    "argmax of everything": lambda a, b: np.argmax(a) + a.argmin() + np.argmin(a),
    "by position": lambda a, b: np.sum(a, 1, None, None, True) + np.std(b, 1, None, None, 1, True),
    "NumPy's keywords": lambda a, b: np.clip(a, a_min=-1.0, a_max=None) + np.tile(A=b, reps=(2, 1)),
    "defaults spelled out": lambda a, b: np.mean(a, dtype=None, out=None) + np.angle(b, deg=False),
    "rounding": lambda a, b: a.round() + np.floor(b) + np.round(a, 1),
    "complex": lambda a, b: np.real((a + 2j) * (b - 1j)),
    "casting": lambda a, b: a.astype(np.float32) + b.astype("float32"),
    "linear algebra": lambda a, b: np.dot(a, b[0]) + np.einsum("ij,kj->i", a, b),
    "outer": lambda a, b: np.outer(a[0], b[0]) + np.tensordot(a, a, axes=((0,), (0,))),
    "cumulative": lambda a, b: np.cumsum(a, axis=1) * np.flip(b, axis=1),
    "split": lambda a, b: np.split(a, 3, axis=1)[1] + np.split(a, [1], axis=1)[1],
    "expand": lambda a, b: np.expand_dims(b, 0) * np.squeeze(b, axis=0),
    "tiles": lambda a, b: np.tile(b, (2, 1)) + np.broadcast_to(b, (2, 3)),
    "sorting": lambda a, b: np.sort(a, axis=1) + np.argsort(a, axis=1),
    "norm": lambda a, b: np.linalg.norm(a, axis=1) + np.linalg.norm(b),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_the_same_as_numpy(name: str) -> None:
    expression = EXPRESSIONS[name]
    expected = expression(A, B)
    traced = expression(gw.constant(A), gw.Variable(B))
    assert isinstance(traced, gw.Tensor)
    got = traced.numpy()
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-6 if got.dtype == np.float32 else 1e-12)


UNARY = [np.negative, np.sin, np.cos, np.tanh, np.square, np.abs, np.exp]
BINARY = [np.add, np.subtract, np.multiply, np.maximum, np.minimum]


def expressions(depth: int) -> st.SearchStrategy[Callable[[Any], Any]]:
    leaves = st.one_of(
        st.just(lambda x: x),
        st.floats(-2, 2).map(lambda c: lambda x: x * c),
        st.sampled_from([0, 1, -1]).map(lambda k: lambda x: x[k]),
    )

    def grow(inner: st.SearchStrategy[Callable[[Any], Any]]) -> st.SearchStrategy[Callable[[Any], Any]]:
        unary = st.tuples(st.sampled_from(UNARY), inner).map(lambda p: lambda x: p[0](np.tanh(p[1](x))))
        binary = st.tuples(st.sampled_from(BINARY), inner, inner).map(
            lambda p: lambda x: p[0](p[1](x), p[2](x))
        )
        folded = inner.map(lambda f: lambda x: np.mean(np.stack([f(x), x[0, 0, 0] + f(x)], axis=-1), axis=-1))
        return st.one_of(unary, binary, folded)

    return st.recursive(leaves, grow, max_leaves=depth)


@given(expression=expressions(8), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_random_expressions_equal_numpy(expression: Callable[[Any], Any], seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(3, 3, 3))
    expected = np.asarray(expression(x)) if _fits(expression, x) else None
    if expected is None:
        return
    np.testing.assert_allclose(np.asarray(expression(gw.constant(x))), expected, rtol=1e-9, atol=1e-12)


def _fits(expression: Callable[[Any], Any], x: Any) -> bool:
    try:
        with np.errstate(all="raise"):
            expression(x)
    except (ValueError, np.exceptions.AxisError, IndexError, FloatingPointError):
        return False
    return True


def test_iteration_and_unpacking_fetch() -> None:
    rows = list(gw.constant(A) * 2.0)
    np.testing.assert_array_equal(rows[1], A[1] * 2)
    first, second = gw.exp(gw.constant([0.0, 1.0]))
    assert (float(first), float(second)) == (1.0, pytest.approx(np.e))
    assert len(gw.constant(A)) == 2


def test_reading_as_python_values() -> None:
    assert np.array_equal(gw.exp(gw.constant(A)), np.exp(A))
    assert np.allclose(gw.constant(A), A)
    assert [10, 20, 30][gw.argmax(gw.constant([1.0, 5.0, 2.0]))] == 20
    assert complex(gw.constant(1 + 2j)) == 1 + 2j
    assert gw.abs(gw.constant(A)).tolist() == np.abs(A).tolist()
    with pytest.raises(TypeError, match="integer tensor"):
        [1, 2][gw.constant(1.0)]
    with pytest.raises(ValueError, match="ambiguous"):
        bool(gw.constant([1.0, 2.0]))


def test_a_tensor_is_not_none_and_not_text() -> None:
    x = gw.constant(1.0)
    assert (x == None) is False  # noqa: E711  # what careless code writes
    assert (x != "text") is True


def test_what_has_no_op_says_so() -> None:
    x = gw.constant(A)
    with pytest.raises(UnsupportedFunction, match=r"numpy\.unwrap has no op.*tensor\.numpy\(\)"):
        np.unwrap(x)
    with pytest.raises(UnsupportedFunction, match="where"):
        np.sum(x, where=A > 0)
    with pytest.raises(UnsupportedFunction, match="accumulate"):
        np.add.accumulate(x)
    with pytest.raises(UnsupportedFunction):
        np.add(A, x, out=np.zeros_like(A))


def test_lists_of_tensors_stack() -> None:
    x = gw.constant(2.0)
    np.testing.assert_array_equal(gw.convert_to_tensor([x, 1.0]), [2.0, 1.0])
    np.testing.assert_array_equal(gw.concat([gw.constant([1.0]), [x, 3.0]]), [1.0, 2.0, 3.0])


def test_several_outputs() -> None:
    x = gw.constant(np.arange(6.0).reshape(2, 3))
    a, b = gw.unstack(x)
    np.testing.assert_array_equal(a + b, [3.0, 5.0, 7.0])
    grid = gw.meshgrid([1.0, 2.0], [3.0, 4.0, 5.0])
    np.testing.assert_array_equal(grid[1], np.meshgrid([1, 2], [3, 4, 5])[1])
    left, right = gw.broadcast_arrays(gw.constant([[1.0], [2.0]]), gw.constant([3.0, 4.0]))
    np.testing.assert_array_equal(left * right, [[3.0, 4.0], [6.0, 8.0]])


def test_gradients_through_several_outputs() -> None:
    w = gw.Variable(np.arange(4.0))
    with gw.GradientTape() as tape:
        left, right = gw.split(w, 2)
        loss = gw.sum(left * right)
    np.testing.assert_array_equal(tape.gradient(loss, w), [2.0, 3.0, 0.0, 1.0])


def test_dtypes_follow_the_documented_rules() -> None:
    assert gw.constant([1, 2]).dtype == np.float64
    assert gw.constant([True]).dtype == np.bool_
    assert gw.constant(np.arange(2)).dtype == np.int64
    assert gw.constant([1, 2], gw.int64).dtype == np.int64
    assert (gw.exp(gw.constant([1.0], "float32")) * 2 + 0.5).dtype == np.float32
    assert gw.sum(gw.constant(np.arange(3)) + 1).dtype == np.int64
    with pytest.raises(TypeError, match="expected numbers"):
        gw.constant(["a"])


def test_variables() -> None:
    v = gw.Variable(lambda: [1.0, 2.0], name="v", dtype="float32")
    assert (v.shape, v.dtype, v.ndim, v.size, v.name) == ((2,), np.float32, 1, 2, "v")
    before = v.value()
    v.assign_add([1.0, 1.0]).assign_sub(gw.constant([0.5, 0.5], "float32"))
    np.testing.assert_array_equal(v.numpy(), np.float32([1.5, 2.5]))
    np.testing.assert_array_equal(before, np.float32([1.0, 2.0]))
    v.numpy()[:] = 0.0
    assert v.numpy()[0] == 1.5
    with pytest.raises(ValueError, match="shape"):
        v.assign([1.0])
    assert "v" in repr(v)


def test_random_draws_are_repeatable() -> None:
    gw.random.set_seed(7)
    first = gw.random.normal((2, 3), mean=1.0, stddev=0.1).numpy()
    gw.random.set_seed(7)
    np.testing.assert_array_equal(gw.random.normal((2, 3), mean=1.0, stddev=0.1), first)
    np.testing.assert_array_equal(gw.random.uniform(4, seed=1), gw.random.uniform(4, seed=1))
    whole = gw.random.uniform((100,), 2, 5, dtype="int64").numpy()
    assert set(whole) == {2, 3, 4}


def test_a_value_cannot_be_read_while_a_function_is_traced(client: gw.Client) -> None:
    def branches(x: Any) -> Any:
        return x if x > 0 else -x

    with pytest.raises(TraceError, match=r"'x'.*gradwire\.where"):
        client.evaluate(branches, {"x": 1.0})


def test_a_written_none_reaches_the_server() -> None:
    x = gw.constant(A)
    e = np.exp(A)
    np.testing.assert_allclose(gw.softmax(x, axis=None).numpy(), e / e.sum())
    np.testing.assert_allclose(gw.logsumexp(x, None).numpy(), np.log(e.sum()))
    np.testing.assert_allclose(gw.concat([x, x], None).numpy(), np.concatenate([A, A], None))
    assert gw.argmax(x, axis=None).numpy() == A.argmax()
    assert gw.argmax(x).numpy().tolist() == A.argmax(-1).tolist()


@pytest.mark.parametrize("call", [lambda x: gw.stack([x, x], axis=None), lambda x: gw.split(x, 2, axis=None)])
def test_a_none_without_a_meaning_is_refused(call: Callable[[Any], Any]) -> None:
    found = call(gw.constant(A[:, :2]))
    with pytest.raises(gw.errors.GradwireError, match="null names no axis"):
        (found[0] if isinstance(found, tuple) else found).numpy()


@pytest.mark.parametrize("join", [gw.stack, gw.concat, gw.hstack, gw.vstack, np.stack, np.concatenate])
def test_one_tensor_is_no_list_to_join(join: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="joins a list of tensors"):
        join(gw.constant(A))

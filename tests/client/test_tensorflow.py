"""`import gradwire as tf`: TensorFlow's spellings, and calls that mean something else there.

Expected values are NumPy's, by TensorFlow's documented meaning of each call.
"""

from __future__ import annotations

import inspect
import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradwire as tf
from gradwire._names.counterparts import TENSORFLOW
from gradwire._tracing.spellings import SPELLINGS
from gradwire.errors import TensorFlowDifference, TensorFlowWarning

pytestmark = pytest.mark.usefixtures("client")

PAGE = (Path(__file__).parents[2] / "docs" / "tensorflow.md").read_text()
A = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])

AGREE: list[tuple[Callable[[], Any], Any]] = [
    (lambda: tf.argmax(A, axis=0), A.argmax(0)),
    (lambda: tf.math.argmin(input=A, axis=1, name="n"), A.argmin(1)),
    (lambda: tf.reduce_sum(input_tensor=A, axis=1, keepdims=True), A.sum(1, keepdims=True)),
    (lambda: tf.reduce_mean(A, 0), A.mean(0)),
    (lambda: tf.transpose(A, perm=[1, 0]), A.T),
    (lambda: tf.transpose(a=A), A.T),
    (lambda: tf.matmul(A, A, transpose_b=True), A @ A.T),
    (lambda: tf.matmul(a=A, b=A, transpose_a=True), A.T @ A),
    (lambda: tf.concat([A, A], 1), np.concatenate([A, A], 1)),
    (lambda: tf.concat(values=[A, A], axis=0), np.concatenate([A, A])),
    (lambda: tf.stack(values=[A, A], axis=1), np.stack([A, A], 1)),
    (lambda: tf.split(value=A, num_or_size_splits=[1, 2], axis=1)[1], A[:, 1:]),
    (lambda: tf.split(A, num_or_size_splits=3, axis=1)[2], A[:, 2:]),
    (lambda: tf.split(A, 2)[0], A[:1]),
    (lambda: tf.unstack(A, num=2)[1], A[1]),
    (lambda: tf.gather(params=A, indices=[2, 0], axis=1), A[:, [2, 0]]),
    (lambda: tf.one_hot([0, 2], depth=3), np.eye(3)[[0, 2]]),
    (lambda: tf.one_hot([0, 2], 3, on_value=1.0, off_value=0.0, axis=None), np.eye(3)[[0, 2]]),
    (lambda: tf.pad(A, [[1, 0], [0, 0]], "REFLECT"), np.pad(A, [[1, 0], [0, 0]], "reflect")),
    (lambda: tf.pad(tensor=A, paddings=[[1, 0], [0, 1]], mode="CONSTANT", constant_values=7),
     np.pad(A, [[1, 0], [0, 1]], constant_values=7)),
    (lambda: tf.pad(A, paddings=[[1, 0], [0, 0]], mode="SYMMETRIC"),
     np.pad(A, [[1, 0], [0, 0]], "symmetric")),
    (lambda: tf.sort(A, axis=1, direction="DESCENDING"), -np.sort(-A, 1)),
    (lambda: tf.sort(A, -1, "ASCENDING"), np.sort(A, 1)),
    (lambda: tf.argsort(values=A, direction="DESCENDING"), np.argsort(-A, 1)),
    (lambda: tf.clip_by_value(A, clip_value_min=-1.0, clip_value_max=2.0), np.clip(A, -1, 2)),
    (lambda: tf.norm(A, ord="euclidean"), np.sqrt((A**2).sum())),
    (lambda: tf.norm(tensor=A, ord=1, axis=1), np.abs(A).sum(1)),
    (lambda: tf.cumsum(A, axis=0, exclusive=True), A.cumsum(0) - A),
    (lambda: tf.range(start=1, limit=7, delta=2), np.arange(1, 7, 2)),
    (lambda: tf.range(4), np.arange(4)),
    (lambda: tf.linspace(0.0, 1.0, 5, name="line"), np.linspace(0, 1, 5)),
    (lambda: tf.tile(input=A, multiples=[1, 2]), np.tile(A, [1, 2])),
    (lambda: tf.fill(dims=[2, 2], value=3.0), np.full((2, 2), 3.0)),
    (lambda: tf.eye(num_rows=2, num_columns=3), np.eye(2, 3)),
    (lambda: tf.cast(A, tf.float32, name="c"), A.astype(np.float32)),
    (lambda: tf.where(A > 0, x=A, y=0.0), np.where(A > 0, A, 0)),
    (lambda: tf.multiply(x=A, y=2.0), A * 2),
    (lambda: tf.pow(x=A, y=2.0), A**2),
    (lambda: tf.math.squared_difference(x=A, y=1.0), (A - 1) ** 2),
    (lambda: tf.tensordot(a=A, b=A, axes=[[1], [1]]), A @ A.T),
    (lambda: tf.reshape(tensor=A, shape=[3, 2]), A.reshape(3, 2)),
    (lambda: tf.expand_dims(input=A, axis=0), A[None]),
    (lambda: tf.squeeze(input=A[None], axis=0), A),
    (lambda: tf.reverse(tensor=A, axis=[1]), A[:, ::-1]),
    (lambda: tf.nn.relu(features=A), np.maximum(A, 0)),
    (lambda: tf.nn.softmax(logits=A, axis=1), np.exp(A) / np.exp(A).sum(1, keepdims=True)),
    (lambda: tf.math.top_k(input=A, k=2, sorted=True)[0], -np.sort(-A, 1)[:, :2]),
    (lambda: tf.math.polygamma(a=1, x=1.0), math.pi**2 / 6),
    (lambda: tf.math.reduce_std(input_tensor=A, axis=0), A.std(0)),
    (lambda: tf.cond(pred=True, true_fn=lambda: tf.constant(1.0), false_fn=lambda: tf.constant(2.0)), 1.0),
    (lambda: tf.random.normal([2, 3], mean=1.0, stddev=0.0), np.ones((2, 3))),
    (lambda: tf.constant([[1, 2]], dtype=tf.int32), np.array([[1, 2]], np.int32)),
]  # fmt: skip


@pytest.mark.parametrize(("call", "expected"), AGREE, ids=[str(k) for k in range(len(AGREE))])
def test_a_call_in_tensorflows_spelling_agrees(call: Callable[[], Any], expected: Any) -> None:
    found = call().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found.shape == np.shape(expected)


DIFFER: dict[str, Callable[[], Any]] = {
    "argmax": lambda: tf.argmax(A),
    "argmin": lambda: tf.math.argmin(A),
    "cumsum": lambda: tf.cumsum(A),
    "cumprod": lambda: tf.math.cumprod(A),
    "split": lambda: tf.split(A, [1, 1]),
    "norm": lambda: tf.norm(A, 1),
    "l2_normalize": lambda: tf.math.l2_normalize(A),
    "unstack": lambda: tf.unstack(A, 2),
    "one_hot": lambda: tf.one_hot([0, 1], 3, 1.0, 0.0),
    "gather": lambda: tf.gather(A, [0], 1),
    "top_k": lambda: tf.math.top_k(A, 2, True),
    "eye": lambda: tf.eye(2, 3, [2]),
    "polygamma": lambda: tf.math.polygamma(1, 2.0),
    "scan": lambda: tf.scan(lambda a, x: a + x, A, 0.0),
    "while_loop": lambda: tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0.0]),
    "Variable": lambda: tf.Variable(1.0, True, True),
    "convert_to_tensor": lambda: tf.convert_to_tensor(1.0, None, tf.float32),
}


@pytest.mark.parametrize("name", DIFFER)
def test_a_call_that_means_something_else_is_refused_and_listed(name: str) -> None:
    with pytest.raises(TensorFlowDifference, match=r"TensorFlow|the name") as caught:
        DIFFER[name]()
    assert isinstance(caught.value, TypeError)
    assert re.search(rf"`(math\.)?{name}\(", PAGE), f"docs/tensorflow.md lacks {name}"


def test_the_table_of_what_differs_is_tested_whole() -> None:
    differing = {name for name, spelling in SPELLINGS.items() if spelling.differs is not None}
    tested = {getattr(tf, name).__name__ for name in DIFFER if name not in ("Variable", "convert_to_tensor")}
    assert differing == tested


def test_under_another_name_the_package_has_its_own_meaning() -> None:
    code = "import gradwire as gw\nfound = gw.argmax([[1.0, 2.0], [4.0, 1.0]]).numpy(), gw.constant(7).dtype"
    names: dict[str, Any] = {}
    exec(code, names)
    np.testing.assert_array_equal(names["found"][0], [1, 0])
    assert names["found"][1] == np.float64


def test_integers_become_floats_with_a_warning() -> None:
    for make in (tf.constant, tf.Variable, tf.convert_to_tensor):
        with pytest.warns(TensorFlowWarning, match="float64 here, and int32 in TensorFlow"):
            assert make([1, 2]).dtype == np.float64
        assert make([1.0, 2.0]).dtype == np.float64
        assert make(np.array([1, 2])).dtype == np.int64
        assert make(True).dtype == np.bool_


@pytest.mark.parametrize(
    "call",
    [
        lambda: tf.argmax(A, axis=0, output_type=tf.int32),
        lambda: tf.transpose(A, conjugate=True),
        lambda: tf.matmul(A, A, adjoint_b=True),
        lambda: tf.gather(A, [0], batch_dims=1),
        lambda: tf.one_hot([0], 3, on_value=5.0),
        lambda: tf.split(A, num_or_size_splits=[1, -1]),
        lambda: tf.scan(lambda a, x: a + x, elems=A),
        lambda: tf.while_loop(lambda i: i, lambda i: i, loop_vars=[1.0]),
    ],
)
def test_options_that_are_not_here_are_refused_with_the_way_out(call: Callable[[], Any]) -> None:
    with pytest.raises(TensorFlowDifference):
        call()


def test_unknown_keywords_stay_errors_and_spellings_do_not_meet() -> None:
    with pytest.raises(TypeError, match="foo"):
        tf.reduce_sum(A, foo=1)
    with pytest.raises(TypeError, match="another spelling"):
        tf.reduce_sum(x=A, input_tensor=A)


def test_the_table_speaks_of_functions_and_parameters_that_exist() -> None:
    for name, spelling in SPELLINGS.items():
        parameters = inspect.signature(getattr(tf, name)).parameters
        made = {"sizes", "values", "num"}  # which are converted
        own = {own for own in spelling.keywords.values() if own and not own.startswith("!")} - made
        common = {"x", "axis"}
        assert own - common <= set(parameters), f"{name}: {own - set(parameters)}"


def test_names_are_one_function_and_can_be_pickled() -> None:
    assert tf.mean is tf.reduce_mean is tf.math.reduce_mean
    assert tf.nn.relu is tf.relu
    for name in tf.__all__:
        value = getattr(tf, name)
        if inspect.isfunction(value):
            assert pickle.loads(pickle.dumps(value)) is value, name


def test_names_that_are_not_here_say_what_to_write() -> None:
    for name, cure in TENSORFLOW.items():
        with pytest.raises(AttributeError, match=re.escape(cure)):
            getattr(tf, name)
        for own in re.findall(r"gw\.(\w+)", cure):
            assert hasattr(tf, own)
    with pytest.raises(AttributeError, match="no attribute 'men'"):
        tf.men  # noqa: B018

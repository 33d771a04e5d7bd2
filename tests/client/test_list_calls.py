"""NumPy on lists of tensors: it records if NumPy asks the tensors, else the refusal has a text that does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import ReadError

pytestmark = [
    pytest.mark.usefixtures("client"),
    pytest.mark.filterwarnings("ignore:the gradients? by"),  # a maximum does not select everything
]

#: NumPy hands over to the tensors in the list.
RECORDED = [
    "np.stack([a, b])",
    "np.hstack([a, b])",
    "np.vstack([a, b])",
    "np.concatenate([a.reshape(1), b.reshape(1)])",
    "np.concat([a.reshape(1), b.reshape(1)])",
    "np.where(True, a, b)",
    "np.hypot(a, b)",
    "np.atleast_1d(a)",
]
#: NumPy makes an array of the list itself.
REFUSED = [
    "np.sum([a, b])",
    "np.mean([a, b])",
    "np.mean((a, b))",
    "np.max([a, b])",
    "np.min([a, b])",
    "np.prod([a, b])",
    "np.std([a, b])",
    "np.var([a, b])",
    "np.sum([[a, b], [b, a]], axis=0)",
    "np.median([a, b, 1.0])",
    "np.cumsum([a, b])",
    "np.cumprod([a, b])",
    "np.exp([a, b])",
    "np.square([a, b])",
    "np.maximum([a, b], 0.7)",
    "np.where([True, False], [a, b], 0.0)",
    "np.dot([a, b], [1.0, 2.0])",
    "np.dot([1.0, 2.0], [a, b])",
    "np.inner([a, b], [1.0, 2.0])",
    "np.vdot([a, b], [1.0, 2.0])",
    "np.outer([a, b], [1.0, 2.0])",
    "np.matmul([a, b], [1.0, 2.0])",
    "np.tensordot([a, b], [1.0, 2.0], 1)",
    "np.einsum('i,i->', [a, b], [1.0, 2.0])",
    "np.cross([a, b, 0.0], [1.0, 2.0, 3.0])",
    "np.average([a, b])",
    "np.sort([a, b])",
    "np.clip([a, b], 0.0, 1.0)",
    "np.reshape([a, b], (1, 2))",
    "np.transpose([[a, 1.0], [0.0, b]])",
    "np.trace([[a, 1.0], [0.0, b]])",
    "np.diag([a, b])",
    "np.flip([a, b])",
    "np.roll([a, b], 1)",
    "np.tile([a, b], 2)",
    "np.repeat([a, b], 2)",
    "np.linalg.norm([a, b])",
    "np.linalg.det([[a, 1.0], [0.0, b]])",
    "np.linalg.inv([[a, 1.0], [0.0, b]])",
    "np.linalg.solve([[a, 1.0], [0.0, b]], [1.0, 2.0])",
    "np.array([a, b])",
    "np.asarray([a, b])",
    "np.array([[a, b], [b, a]])",
    "np.r_[a, b]",
]
A, B = 1.5, 0.5


def _function(text: str, tmp_path: Any) -> Callable[..., Any]:
    """A function of a and b in a file of its own, so that its text can be read."""
    file = tmp_path / "written.py"
    file.write_text(f"import numpy as np, gradwire as gw\ndef f(a, b):\n    return gw.sum({text})\n")
    space: dict[str, Any] = {}
    exec(compile(file.read_text(), str(file), "exec"), space)
    return space["f"]  # type: ignore[no-any-return]  # it was just defined


def _slopes(text: str) -> list[float]:
    """Central differences of NumPy's own values."""

    def value(a: float, b: float) -> float:
        return float(np.sum(eval(text, {"np": np, "a": np.float64(a), "b": np.float64(b)})))

    h = 1e-6
    return [
        (value(A + h, B) - value(A - h, B)) / (2 * h),
        (value(A, B + h) - value(A, B - h)) / (2 * h),
    ]


def _gradient(function: Callable[..., Any]) -> list[float]:
    found = gw.grad(function, argnums=(0, 1), unconnected_gradients="zero")(A, B)
    return [float(one) for one in found]


@pytest.mark.parametrize("text", RECORDED)
def test_it_records(text: str, tmp_path: Any) -> None:
    np.testing.assert_allclose(_gradient(_function(text, tmp_path)), _slopes(text), atol=1e-7)


@pytest.mark.parametrize("text", REFUSED)
def test_the_refusal_has_a_text_that_records(text: str, tmp_path: Any) -> None:
    with pytest.raises(ReadError) as caught:
        _gradient(_function(text, tmp_path))
    told = str(caught.value)
    assert "written.py:3" in told
    cure = re.search(r"write (.*?)(?:, or np\.stack\(.*\))?, which records", told)
    assert cure is not None, told
    (tmp_path / "cured").mkdir()
    cured = _gradient(_function(cure[1], tmp_path / "cured"))
    np.testing.assert_allclose(cured, _slopes(text), atol=1e-7)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("np.polyval([a, b], 2.0)", "sums of powers"),
        ("np.partition([a, b], 1)", r"sort\(x\)"),
        ("np.unique([a, b])", "depend on the data"),
    ],
)
def test_a_function_without_an_op_is_told_with_what_to_write(text: str, told: str, tmp_path: Any) -> None:
    with pytest.raises(ReadError, match=told):
        _gradient(_function(text, tmp_path))

"""Sparse matrices of random programs, dense ones by few products, and both beside JAX."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.derivatives import sparse as drafts
from engine.queries import sparse as passes
from engine.queries.compiler import Compiler
from tests.engine.random_programs import Sketch, sketches
from tests.engine.sparse_asking import (
    BUNDLE,
    CLOSE,
    RNG,
    ROSENBROCK,
    agree,
    dense,
    entries,
    plain,
    query_of,
    scene,
)
from tests.engine.test_random_graphs import NAMES, bounded

# -- random programs ---------------------------------------------------------------------------------


@bounded(12)
@given(sketches())
def test_random_programs(sketch: Sketch) -> None:
    for method in ("forward", "reverse", "auto"):
        agree("jacobian", sketch.text, sketch.inputs, outputs=("y",), wrt=NAMES, method=method)
    agree("hessian", sketch.text, sketch.inputs, targets=("loss",), wrt=NAMES)


@pytest.mark.parametrize("together", [1, 2, 3])
def test_products_in_several_passes(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "TOGETHER", together)
    values = scene()
    for method in ("forward", "reverse"):
        made = agree(
            "jacobian", BUNDLE, values, outputs=("r", "depth"), wrt=("cameras", "points"), method=method
        )
        assert made.colours > 3
    agree("hessian", BUNDLE + "loss = sum(r ** 2)", values, targets=("loss",), wrt=("cameras", "points"))
    rows = {**values, "cameras": np.stack([values["cameras"], values["cameras"] + 1])}
    agree("jacobian", BUNDLE, rows, outputs=("r",), wrt=("cameras", "points"), batch=("cameras",))
    agree("jacobian", "round(x)", {"x": RNG.normal(size=3)})


STEPS = (
    "roll(a, 1)", "a[p]", "flip(a)", "a * b", "a + 0.5 * b", "tanh(a)", "where(mask, a, b ** 2)",
    "concat([a[5:], sin(b[:5])])", "pad(a[2:] * b[:-2], [[1, 1]])", "repeat(a[::2], 2)", "a[0] * b",
    "reshape(transpose(reshape(a, (3, 4))), (12,))", "take_along_axis(a, q, axis=0)",
    "reshape(reshape(a, (3, 4)) @ ones([4, 4]) / 4, (12,))", "repeat(sum(reshape(a, (3, 4)), axis=1), 4)",
    "reshape(softmax(reshape(a, (4, 3)), axis=-1), (12,))", "index_add(a, b[:4], index=[[0, 0, 7, 2]])",
    "reshape(cumsum(reshape(a, (6, 2)), axis=1), (12,))", "index_set(a, b[:3], index=[[3, 1, 3]])",
)  # fmt: skip


@st.composite
def sparse_programs(draw: Callable[..., Any]) -> tuple[str, dict[str, Any]]:
    """Vectors of twelve, moved, picked and mixed; indices and masks come as inputs."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    known, lines = ["x", "w"], []
    for number in range(draw(st.integers(1, 6))):
        step = draw(st.sampled_from(STEPS))
        a, b = (draw(st.sampled_from(known)) for _ in range(2))
        text = "".join({"a": a, "b": b}.get(word, word) for word in _words(step))
        lines.append(f"v{number} = {text}")
        known.append(f"v{number}")
    lines += [f"y = {known[-1]} * sin({known[-2]})", "loss = sum(y * y)"]
    values = {
        "x": rng.uniform(-1, 1, 12),
        "w": rng.uniform(-1, 1, 12),
        "p": rng.integers(0, 12, 12),
        "q": rng.permutation(12),
        "mask": rng.random(12) < 0.5,
    }
    return "\n".join(lines), values


def _words(text: str) -> list[str]:
    out = [""]
    for letter in text:
        if out[-1].isalnum() and (letter.isalnum() or letter == "_"):
            out[-1] += letter
        else:
            out.append(letter)
    return out


@bounded(40)
@given(sparse_programs())
def test_random_sparse_programs(made: tuple[str, dict[str, Any]]) -> None:
    program, values = made
    used = {name: v for name, v in values.items() if name in ("x", "w") or name in _words(program)}
    for method in ("forward", "reverse"):
        agree("jacobian", program, used, outputs=("y",), wrt=("x", "w"), method=method)
    agree("hessian", program, used, targets=("loss",), wrt=("x", "w"))
    jacobian = entries("jacobian", program, used, outputs=("y",), wrt=("x", "w"))[0]["jacobian"]["y"]
    rng = np.random.default_rng(1)
    for _ in range(2):  # the pattern is that of every point
        other = {**used, "x": rng.uniform(-1, 1, 12), "w": rng.uniform(-1, 1, 12)}
        found = plain("jacobian", program, other, outputs=("y",), wrt=("x", "w"))["jacobian"]["y"]
        for name, block in jacobian.items():
            pattern = dense({**block, "values": np.ones(block["rows"].size)}, (12, 12))
            assert not (found[name] != 0)[pattern == 0].any()


# -- dense matrices by few products ------------------------------------------------------------------


@bounded(25)
@given(sparse_programs())
def test_dense_matrices_by_few_products(made: tuple[str, dict[str, Any]]) -> None:
    program, values = made
    used = {name: v for name, v in values.items() if name in ("x", "w") or name in _words(program)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drafts, "FEWEST_PRODUCTS", 1)
        patch.setattr(drafts, "WORTH", 1)
        for kind, choices in (("jacobian", {"outputs": ("y",)}), ("hessian", {"targets": ("loss",)})):
            query = query_of(kind, program, used, wrt=("x", "w"), **choices)
            answer = Compiler().compile(query).run(used)
            expected = plain(kind, program, used, wrt=("x", "w"), **choices)
            for row, blocks in expected[kind].items():
                for column, block in blocks.items():
                    np.testing.assert_allclose(answer[kind][row][column], block, **CLOSE)


def test_a_dense_hessian_of_a_band_takes_the_band() -> None:
    values = {"x": RNG.normal(size=200)}
    few, whole = (
        Compiler().compile(query_of("hessian", ROSENBROCK, values, optimize=optimize))
        for optimize in (True, False)
    )
    assert few.estimate.flops * 20 < whole.estimate.flops
    np.testing.assert_allclose(few.run(values)["hessian"]["x"]["x"], whole.run(values)["hessian"]["x"]["x"])
    tracemalloc.start()
    answer = few.run(values)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.5 * answer["hessian"]["x"]["x"].nbytes  # laid out once, and not copied
    rows = {"x": RNG.normal(size=(3, 100))}
    batched = Compiler().compile(query_of("hessian", ROSENBROCK, rows, batch=("x",))).run(rows)
    expected = plain("hessian", ROSENBROCK, rows, batch=("x",))
    np.testing.assert_allclose(batched["hessian"]["x"]["x"], expected["hessian"]["x"]["x"])


# -- another library ---------------------------------------------------------------------------------


@pytest.mark.oracle
def test_as_in_jax(oracle: Callable[[str], Any]) -> None:
    jax, jnp = oracle("jax"), oracle("jax.numpy")
    jax.config.update("jax_enable_x64", True)
    values = scene()

    def residuals(cameras: Any, points: Any) -> Any:
        c, p = cameras[values["i"]], points[values["j"]]
        return (c[:, :2] + p[:, :2] * c[:, 3:]) / (c[:, 2] + p[:, 2])[:, None]

    theirs = jax.jacfwd(residuals, argnums=(0, 1))(values["cameras"], values["points"])
    ours, _ = entries("jacobian", BUNDLE, values, outputs=("r",), wrt=("cameras", "points"))
    for name, block in zip(("cameras", "points"), theirs, strict=True):
        np.testing.assert_allclose(dense(ours["jacobian"]["r"][name], block.shape), block, **CLOSE)
    x = RNG.normal(size=60)
    for program, function in (
        (ROSENBROCK, lambda x: (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()),
        ("sum(exp(x[0] * x[1:]) / 50) + sum(tanh(x[::2]) * x[1::2])",
         lambda x: jnp.exp(x[0] * x[1:]).sum() / 50 + (jnp.tanh(x[::2]) * x[1::2]).sum()),
    ):  # fmt: skip
        answer, made = entries("hessian", program, {"x": x})
        assert made.colours <= 4
        np.testing.assert_allclose(
            dense(answer["hessian"]["x"]["x"], (60, 60)), jax.hessian(function)(x), rtol=1e-9, atol=1e-9
        )

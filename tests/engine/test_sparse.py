"""Sparse Jacobians and Hessians: equal to the dense ones of the ordinary path, in few products."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compiler import Compiler
from engine.derivatives import sparse as drafts
from engine.dtypes import TensorType
from engine.errors import IndexOutOfRange, OverLimit, UnknownWrt
from engine.expression import parse_program
from engine.query import Query
from engine.sparse import KEPT_LAYOUTS, Layouts
from tests.engine.random_programs import Sketch, sketches
from tests.engine.test_random_graphs import NAMES, bounded

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(3)
ROSENBROCK = "sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)"
CLOSE: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-11}


def query_of(kind: str, program: str, values: Mapping[str, Any], **choices: Any) -> Query:
    types = {name: TensorType(np.shape(v), np.asarray(v).dtype.name) for name, v in values.items()}
    return Query(graph=parse_program(program, declared=values), kind=kind, inputs=types, **choices)  # type: ignore[arg-type]


def plain(kind: str, program: str, values: Mapping[str, Any], **choices: Any) -> dict[str, Any]:
    """The dense answer by a product for each unit vector."""
    return Compiler().compile(query_of(kind, program, values, optimize=False, **choices)).run(values)


def entries(
    kind: str, program: str, values: Mapping[str, Any], compiler: Compiler | None = None, **choices: Any
) -> tuple[dict[str, Any], Any]:
    query = query_of(kind, program, values, sparse=True, **choices)
    made = (compiler or Compiler()).compile(query, values=values)
    return made.run(values), made


def dense(block: Mapping[str, Any], shape: tuple[int, ...]) -> Array:
    """A block as the dense answer has it; demands order, no entry twice, and the wire's shape."""
    rows, cols, values = block["rows"], block["cols"], block["values"]
    assert (rows.dtype, cols.dtype) == (np.int64, np.int64)
    height, width = block["shape"]
    places = rows * width + cols
    assert (np.diff(places) > 0).all()
    assert not len(places) or (places.min() >= 0 and places.max() < height * width)
    whole = np.zeros((*values.shape[:-1], height * width), values.dtype)
    whole[..., places] = values
    return whole.reshape(shape)


def agree(kind: str, program: str, values: Mapping[str, Any], **choices: Any) -> Any:
    """The sparse answer is the dense one; what made it is answered."""
    expected = plain(kind, program, values, **choices)
    answer, made = entries(kind, program, values, **choices)
    assert answer.keys() == expected.keys()
    for row, blocks in expected[kind].items():
        assert answer[kind][row].keys() == blocks.keys()
        for column, block in blocks.items():
            got = dense(answer[kind][row][column], block.shape)
            assert got.dtype == block.dtype
            np.testing.assert_allclose(got, block, **_close(block.dtype), err_msg=f"{row} by {column}")
    for field in ("outputs", "gradients"):
        for name, value in expected.get(field, {}).items():
            np.testing.assert_allclose(answer[field][name], value, **_close(value.dtype))
    return made


def _close(dtype: Any) -> dict[str, Any]:
    return CLOSE if dtype == np.float64 else {"rtol": 1e-4, "atol": 1e-5}


# -- structures --------------------------------------------------------------------------------------


def test_a_band_takes_as_many_products_as_it_is_wide() -> None:
    made = agree("hessian", ROSENBROCK, {"x": RNG.normal(size=50)})
    assert (made.colours, made.nonzeros) == (3, 148)
    made = agree("jacobian", "x[1:] * x[:-1]", {"x": RNG.normal(size=50)})
    assert (made.colours, made.nonzeros) == (2, 98)


def test_an_arrow_takes_two_products() -> None:
    made = agree("hessian", "sum((a * x - y) ** 2) + sum(x ** 4)", {
        "a": np.array(1.5), "x": RNG.normal(size=40), "y": RNG.normal(size=40),
    }, wrt=("a", "x"))  # fmt: skip
    assert made.colours == 2
    program = "sum(exp(w[0] * w[1:]))"
    assert agree("hessian", program, {"w": RNG.normal(size=40)}).colours == 2


def test_columns_or_rows_whichever_are_fewer() -> None:
    x = {"x": RNG.normal(size=30)}
    tall, made = entries("jacobian", "outer(sin(x), ones([5]))", x)
    assert (tall["method"], made.colours) == ("forward", 1)
    wide, made = entries("jacobian", "sum(reshape(sin(x), (5, 6)), axis=1)", x)
    assert (wide["method"], made.colours) == ("reverse", 1)
    for method in ("forward", "reverse"):
        agree("jacobian", "y = x[1:] * x[:-1]\nz = sum(x ** 2)", x, method=method, outputs=("y", "z"))


BUNDLE = """
c = cameras[i]
p = points[j]
depth = c[:, 2] + p[:, 2]
r = (c[:, :2] + p[:, :2] * c[:, 3:]) / expand_dims(depth, -1)
"""


def scene(cameras: int = 4, points: int = 9, seen: int = 25) -> dict[str, Any]:
    return {
        "cameras": RNG.uniform(1, 2, (cameras, 4)),
        "points": RNG.uniform(1, 2, (points, 3)),
        "i": RNG.integers(0, cameras, seen),
        "j": RNG.integers(0, points, seen),
    }


def test_indices_that_come_with_the_request_make_the_pattern() -> None:
    values = scene()
    made = agree("jacobian", BUNDLE, values, outputs=("r",), wrt=("cameras", "points"))
    assert made.nonzeros == 25 * 2 * (3 + 2)
    other = {**values, "i": (values["i"] + 1) % 4}
    compiler = Compiler()
    choices: dict[str, Any] = {"outputs": ("r",), "wrt": ("cameras", "points")}
    first, _ = entries("jacobian", BUNDLE, values, compiler, **choices)
    second, _ = entries("jacobian", BUNDLE, other, compiler, **choices)
    expected = plain("jacobian", BUNDLE, other, **choices)["jacobian"]["r"]
    for name in ("cameras", "points"):
        block = second["jacobian"]["r"][name]
        np.testing.assert_allclose(dense(block, expected[name].shape), expected[name], **CLOSE)
    assert (first["jacobian"]["r"]["cameras"]["cols"] != second["jacobian"]["r"]["cameras"]["cols"]).any()
    assert compiler.misses == 1  # one program serves both


def test_indices_computed_from_integers_are_known_and_others_are_not() -> None:
    values = {"x": RNG.normal(size=12), "i": np.arange(12)}
    assert agree("jacobian", "x[(i * 5 + 1) % 12] ** 2", values).nonzeros == 12
    assert agree("jacobian", "sin(sort(x))", values).nonzeros == 144
    assert agree("jacobian", "x[argsort(x)] * 2", values).nonzeros == 144


def test_without_values_an_index_may_be_any() -> None:
    values = {"x": RNG.normal(size=6), "i": np.array([3, 1, 1])}
    query = query_of("jacobian", "x[i] * 2", values, sparse=True)
    made = Compiler().compile(query)
    answer = made.run(values)["jacobian"]["result"]["x"]
    assert answer["values"].size == 18
    np.testing.assert_array_equal(dense(answer, (3, 6)), 2 * np.eye(6)[values["i"]])


def test_functions_loops_and_branches() -> None:
    x = {"x": RNG.uniform(0.5, 1.5, 12), "b": np.array(True)}
    head = "def f(v):\n    return tanh(v) * 2\ndef g(v):\n    return v ** 3\n"
    assert agree("jacobian", head + "y = cond(f, g, b, x)", x, outputs=("y",)).nonzeros == 12
    assert agree("jacobian", head + "y = checkpoint(f, x)[1:]", x, outputs=("y",)).nonzeros == 11
    assert agree("jacobian", head + "y = map(g, x)", x, outputs=("y",)).nonzeros == 12
    assert agree("hessian", head + "loss = sum(checkpoint(g, x))", x, targets=("loss",)).colours == 1
    assert agree("hessian", head + "loss = sum(cond(f, g, b, x))", x, targets=("loss",)).colours == 1
    loop = "def step(c, v):\n    return c * v, c + v\nlast, all = scan(step, 1.0, x)\ny = all * 2"
    agree("jacobian", loop, x, outputs=("y",))
    agree("hessian", loop + "\nloss = sum(y)", x, targets=("loss",))
    go = "def go(v):\n    return sum(v) < 40\ndef twice(v):\n    return v * 2\n"
    agree("jacobian", go + "y = while_loop(go, twice, x, max_steps=9)", x, outputs=("y",))
    solved = "def f(r, p):\n    return r ** 3 - p\ny = root(f, ones_like(x), x)\nloss = sum(y ** 2)"
    agree("jacobian", solved, x, outputs=("y",), method="reverse")
    agree("hessian", solved, x, targets=("loss",))


CUSTOM = """
def f(v):
    return round(v)
def g(v, y, dy):
    return dy * v[0]
r = custom_gradient(f, g, x)
"""


def test_a_gradient_of_the_users_making_counts_as_it_is() -> None:
    x = {"x": RNG.uniform(0.5, 1.5, 6)}
    made = agree("jacobian", CUSTOM + "y = r ** 2", x, outputs=("y",))
    assert made.nonzeros == 6
    agree("hessian", CUSTOM + "loss = sum(r ** 2 * x)", x, targets=("loss",))  # not symmetric
    lopsided = plain("hessian", CUSTOM + "loss = sum(r * x)", x, targets=("loss",))["hessian"]["x"]["x"]
    assert not np.allclose(lopsided, lopsided.T)
    agree("hessian", CUSTOM + "loss = sum(r * x)", x, targets=("loss",))


def test_nodes_as_variables() -> None:
    x = {"x": RNG.normal(size=8)}
    program = "h = x ** 2\ny = sin(h)[1:] * h[:-1]\nloss = sum(y * h[1:])"
    for method in ("auto", "forward", "reverse"):
        agree("jacobian", program, x, outputs=("y",), wrt=("x", "h"), method=method)
    agree("hessian", program, x, targets=("loss",), wrt=("x", "h"))
    with pytest.raises(UnknownWrt, match="twice"):
        entries("jacobian", program, x, outputs=("y",), wrt=("h", "h:0"))


@pytest.mark.parametrize("kind", ["jacobian", "hessian"])
def test_what_depends_on_nothing_has_no_entries(kind: str) -> None:
    values = {"x": RNG.normal(size=4), "w": RNG.normal(size=3)}
    choices: dict[str, Any] = {"outputs": ("y",)} if kind == "jacobian" else {"targets": ("loss",)}
    program = "y = round(x) * 2\nloss = sum(x)"
    made = agree(kind, program, values, **choices)
    assert (made.colours, made.nonzeros) == (0, 0)
    agree("jacobian", "y = x * 2\nz = sum(w)", values, outputs=("y", "z"))
    agree(kind, "y = x[:0] * 2\nloss = sum(x[:0] ** 2)", values, **choices)
    agree(kind, program, {"x": np.zeros(0)}, **choices)


def test_dtypes_are_those_of_the_dense_blocks() -> None:
    values = {"x": RNG.normal(size=5).astype(np.float32), "w": RNG.normal(size=5)}
    for method in ("forward", "reverse"):
        agree("jacobian", "x ** 2 * w", values, method=method)
    agree("hessian", "sum(x ** 2 * w)", values)
    agree("hessian", ROSENBROCK, {"x": RNG.normal(size=9)}, dtype="float32")


@pytest.mark.parametrize("method", ["forward", "reverse"])
def test_complex_blocks_are_as_the_dense_ones(method: str) -> None:
    z = RNG.normal(size=6) + 1j * RNG.normal(size=6)
    values = {"z": z, "x": RNG.normal(size=6), "i": np.array([4, 0, 5])}
    holomorphic = "h = sin(z)[i] * z[:3] * x[1:4]"
    agree("jacobian", holomorphic, values, outputs=("h",), wrt=("z",), method=method)
    agree("jacobian", holomorphic, values, outputs=("h",), wrt=("z", "x"), method=method)
    real = "\nr = abs(z[1:]) ** 2 * x[:5] + imag(z[:5])"
    agree("jacobian", holomorphic + real, values, outputs=("r",), wrt=("z", "x"), method=method)
    made = agree("jacobian", holomorphic + real, values, outputs=("h", "r"), wrt=("z", "x"), method=method)
    assert made.nonzeros == 6 + 3 + 10 + 5
    assert made.colours < 6
    rows = {**values, "z": np.stack([z, 2 * z]), "x": np.stack([values["x"], values["x"] + 1])}
    agree("jacobian", holomorphic + real, rows, outputs=("h", "r"), batch=("z", "x"), method=method)


def test_a_batch_has_one_pattern_and_rows_of_values() -> None:
    values = {"x": RNG.normal(size=(4, 6)), "w": RNG.normal(size=6), "i": np.array([5, 0, 2])}
    choices: dict[str, Any] = {"batch": ("x",), "wrt": ("x", "w")}
    for method in ("forward", "reverse"):
        agree("jacobian", "(x * w)[i] ** 2", values, method=method, **choices)
    made = agree("hessian", "sum(x ** 3 * w) + sum(x[i])", values, **choices)
    assert made.colours == 2
    each = {**values, "i": RNG.integers(0, 6, (4, 3))}
    made = agree("jacobian", "x[i] ** 2", each, batch=("x", "i"), wrt=("x",))
    assert made.nonzeros == 18  # an index of each row's own may be any


def test_errors_are_those_of_the_run() -> None:
    values = {"x": RNG.normal(size=3), "i": np.array([0, 7])}
    with pytest.raises(IndexOutOfRange, match="7"):
        entries("jacobian", "x[i] * 2", values)
    with pytest.raises(OverLimit, match="entries"):
        entries("jacobian", "x / sum(x)", {"x": np.ones(5_000)})


def test_the_limit_counts_products_and_not_columns() -> None:
    n = 20_000
    values = {"x": RNG.normal(size=n)}
    query = query_of("hessian", ROSENBROCK, values, sparse=True)
    made = Compiler().compile(query, values=values, peak_bytes_limit=100 * 8 * n)
    assert made.estimate.peak_bytes < 100 * 8 * n
    with pytest.raises(OverLimit, match="bytes at once"):
        Compiler().compile(query, values=values, peak_bytes_limit=30 * 8 * n)
    with pytest.raises(OverLimit, match="entries"):
        Compiler().compile(query, values=values, peak_bytes_limit=10 * 8 * n)


def test_a_hundred_thousand_variables() -> None:
    values = {"x": RNG.normal(size=100_000)}
    answer, made = entries("hessian", ROSENBROCK, values)
    block, x = answer["hessian"]["x"]["x"], values["x"]
    assert (made.colours, block["values"].size) == (3, 299_998)
    diagonal = block["values"][block["rows"] == block["cols"]]
    inner = 202 - 400 * (x[2:] - x[1:-1] ** 2) + 800 * x[1:-1] ** 2
    np.testing.assert_allclose(diagonal[1:-1], inner, rtol=1e-9)


def test_layouts_are_kept_by_indices_and_dropped_in_time() -> None:
    layouts = Layouts()
    values = {"x": RNG.normal(size=4), "i": np.array([0, 1])}
    query = query_of("jacobian", "x[i] ** 2", values, sparse=True)
    first = layouts.find(query, values)
    assert layouts.find(query, {"x": values["x"] + 1, "i": values["i"]}) is first
    assert layouts.find(query, {**values, "i": np.array([1, 0])}) is not first
    assert layouts.find(query, values) is first
    for k in range(KEPT_LAYOUTS):
        layouts.find(query, {**values, "i": np.array([k % 4, (k // 4) % 4])})
    assert len(layouts._found) <= KEPT_LAYOUTS
    answered = entries("jacobian", "x[i] ** 2", values)[0]["jacobian"]["result"]["x"]
    answered["rows"][:] = -1  # the caller's own
    assert entries("jacobian", "x[i] ** 2", values)[0]["jacobian"]["result"]["x"]["rows"].min() == 0


# -- random programs ---------------------------------------------------------------------------------


@bounded(20)
@given(sketches())
def test_random_programs(sketch: Sketch) -> None:
    for method in ("forward", "reverse", "auto"):
        agree("jacobian", sketch.text, sketch.inputs, outputs=("y",), wrt=NAMES, method=method)
    agree("hessian", sketch.text, sketch.inputs, targets=("loss",), wrt=NAMES)


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


@bounded(60)
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


@bounded(40)
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
    rows = {"x": RNG.normal(size=(3, 100))}
    batched = Compiler().compile(query_of("hessian", ROSENBROCK, rows, batch=("x",))).run(rows)
    expected = plain("hessian", ROSENBROCK, rows, batch=("x",))
    np.testing.assert_allclose(batched["hessian"]["x"]["x"], expected["hessian"]["x"]["x"])


# -- another library ---------------------------------------------------------------------------------


@pytest.mark.oracle
def test_as_in_jax() -> None:
    import jax
    import jax.numpy as jnp

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

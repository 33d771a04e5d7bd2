"""root and fixed_point by products with the Jacobian: against factorising it, differences, and JAX."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from engine import Compiler, Query, TensorType, decode_graph, parse_program
from engine.arrays import numpy_namespace as namespace
from engine.errors import DtypeMismatch, OverLimit
from engine.ir.table import F
from engine.ir.tape import Tape
from engine.ops.control import gmres
from engine.ops.control.linear_solve import solve
from engine.runtime.executors.numpy import run_tape
from engine.transforms.vjp import backward

Array = np.ndarray[Any, Any]
N = 10_000
SYSTEM = """
def f(x, A, b):
    return A @ x + tanh(x) * 0.5 - b
x = root(f, x0, A, b, method='{method}')
loss = sum(x ** 2) + x[0]
"""
FIXED = """
def f(x, A, b):
    return tanh(A @ x) * 0.4 + b
x = fixed_point(f, x0, A, b, method='{method}')
loss = sum(x ** 2) + x[0]
"""
#: u'' + lam exp(u) = 0 on a line, u = 0 at the ends (Bratu), by second differences.
BRATU = """
def f(u, lam):
    left = concatenate([zeros([1]), u[:-1]], axis=0)
    right = concatenate([u[1:], zeros([1])], axis=0)
    return (left - 2 * u + right) * {scale} + lam * exp(u)
u = root(f, zeros([{n}]), lam, bandwidth=1)
loss = mean(u)
"""
#: -Δu + k u³ = s on a square, unknowns of shape (m, m).
SQUARE = """
def f(u, s, k):
    row = zeros([1, {m}])
    up = concatenate([row, u[:-1]], axis=0)
    down = concatenate([u[1:], row], axis=0)
    left = concatenate([row.T, u[:, :-1]], axis=1)
    right = concatenate([u[:, 1:], row.T], axis=1)
    return (4 * u - up - down - left - right) * {scale} + k * u ** 3 - s
u = root(f, zeros([{m}, {m}]), s, k{more})
loss = mean(u ** 2)
"""


def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def values(dtype: str = "float64") -> dict[str, Array]:
    draw = rng()
    given = {"x0": np.zeros(3), "A": np.eye(3) * 2 + 0.3 * draw.normal(size=(3, 3)), "b": draw.normal(size=3)}
    return {name: v.astype(dtype) for name, v in given.items()}


def types(given: dict[str, Any]) -> dict[str, TensorType]:
    return {name: TensorType(np.shape(v), np.asarray(v).dtype.name) for name, v in given.items()}


def compiled(kind: str, program: str, given: dict[str, Any], moves: Any = None, **choices: Any) -> Any:
    word = {"jvp": "tangents"}.get(kind, "vectors")
    if moves is not None:
        choices[word] = types(moves)
    return Compiler().compile(
        Query(graph=parse_program(program), kind=kind, inputs=types(given), **choices)  # type: ignore[arg-type]
    )


def ask(kind: str, program: str, given: dict[str, Any], moves: Any = None, **choices: Any) -> dict[str, Any]:
    given = {name: np.asarray(v) for name, v in given.items()}
    answer: dict[str, Any] = compiled(kind, program, given, moves, **choices).run(given, moves)
    return answer


def close(a: Any, b: Any, rtol: float) -> None:
    if isinstance(b, dict):
        for key in b:
            close(a[key], b[key], rtol)
    elif not isinstance(b, str):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("program", [SYSTEM, FIXED])
def test_both_methods_agree_in_every_kind_of_derivative(program: str, dtype: str) -> None:
    given = values(dtype)
    moves = {"A": rng().normal(size=(3, 3)).astype(dtype), "b": rng().normal(size=3).astype(dtype)}
    rtol = 1e-9 if dtype == "float64" else 2e-3

    def both(kind: str, *more: Any, **choices: Any) -> None:
        dense, free = (
            ask(kind, program.format(method=method), given, *more, **choices)
            for method in ("dense", "krylov")
        )
        close(free, dense, rtol)

    both("gradient", targets=("loss",), wrt=("A", "b"))
    both("jvp", moves, outputs=("x",))
    both("hvp", moves, targets=("loss",))
    both("hessian", targets=("loss",), wrt=("b",))
    for method in ("forward", "reverse"):
        both("jacobian", outputs=("x",), wrt=("A", "b"), method=method)


@pytest.mark.parametrize("program", [SYSTEM, FIXED])
@pytest.mark.parametrize("batched", [("b",), ("A",), ("x0", "A", "b")])
def test_rows_are_solved_each_to_its_own_end(program: str, batched: tuple[str, ...]) -> None:
    given, program = values(), program.format(method="krylov")
    rows = {n: np.stack([v, 1.2 * v, -v if n == "b" else v]) if n in batched else v for n, v in given.items()}
    for kind, choices in (("gradient", {"wrt": ("A", "b")}), ("hessian", {"wrt": ("b",)})):
        whole = ask(kind, program, rows, targets=("loss",), batch=batched, **choices)
        for k in range(3):
            one = {n: v[k] if n in batched else v for n, v in rows.items()}
            single = ask(kind, program, one, targets=("loss",), **choices)
            for word in ("gradients", "hessian"):
                if word in single and word in whole:
                    picked = {n: whole[word][n] for n in choices["wrt"]}
                    part = {n: single[word][n] for n in choices["wrt"]}
                    if word == "hessian":
                        picked, part = {"b": picked["b"]["b"]}, {"b": part["b"]["b"]}
                    close({n: v[k] for n, v in picked.items()}, part, 1e-9)


@pytest.mark.oracle
def test_derivatives_to_the_second_order_are_those_of_jax(oracle: Any) -> None:
    """jax.lax.custom_root, its linear systems solved densely."""
    jax = oracle("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    given = {name: jnp.asarray(v) for name, v in values().items()}

    def residual(x: Any, A: Any, b: Any) -> Any:
        return A @ x + jnp.tanh(x) * 0.5 - b

    def loss(A: Any, b: Any) -> Any:
        def newton(f: Any, x: Any) -> Any:
            for _ in range(8):
                x = x - jnp.linalg.solve(jax.jacobian(f)(x), f(x))
            return x

        def linear(g: Any, y: Any) -> Any:
            return jnp.linalg.solve(jax.jacobian(g)(y), y)

        x = jax.lax.custom_root(lambda x: residual(x, A, b), given["x0"], newton, linear)
        return jnp.sum(x**2) + x[0]

    expected = jax.grad(loss, (0, 1))(given["A"], given["b"])
    second = jax.hessian(loss, (0, 1))(given["A"], given["b"])
    answer = ask("hessian", SYSTEM.format(method="krylov"), values(), targets=("loss",), wrt=("A", "b"))
    close(answer["gradients"], dict(zip(("A", "b"), expected, strict=True)), 1e-9)
    for i, a in enumerate(("A", "b")):
        close(answer["hessian"][a], dict(zip(("A", "b"), second[i], strict=True)), 1e-8)


def test_a_boundary_value_problem_of_ten_thousand_unknowns() -> None:
    program = BRATU.format(n=N, scale=float((N + 1) ** 2))
    given = {"lam": np.array(1.0)}
    answer = ask("gradient", program, given, targets=("loss",))
    h = 1e-4
    ahead, behind = (ask("gradient", program, {"lam": np.array(1.0 + s)}, targets=("loss",)) for s in (h, -h))
    slope = (ahead["value"] - behind["value"]) / (2 * h)
    assert answer["gradients"]["lam"] == pytest.approx(slope, rel=1e-6)
    second = ask("hvp", program, given, {"lam": np.array(1.0)}, targets=("loss",))["hvp"]["lam"]
    bend = (ahead["gradients"]["lam"] - behind["gradients"]["lam"]) / (2 * h)
    assert second == pytest.approx(bend, rel=1e-5)
    theta = 1.5171645990507543  # of the exact solution: θ = √(2 λ) cosh(θ/4)
    middle = 2 * np.log(np.cosh(theta / 4))
    top = ask("evaluate", program, given, outputs=("u",))["outputs"]["u"].max()
    assert top == pytest.approx(middle, abs=1e-8)


@pytest.mark.parametrize("more", ["", ", bandwidth=40"])
def test_unknowns_of_a_plane_without_and_with_a_preconditioner(more: str) -> None:
    m = 40
    program = SQUARE.format(m=m, scale=float((m + 1) ** 2), more=more)
    given = {"s": rng().normal(size=(m, m)), "k": np.array(5.0)}
    move = {"s": rng().normal(size=(m, m)), "k": np.array(1.0)}
    answer = ask("gradient", program, given, targets=("loss",))
    h = 1e-4
    ahead, behind = (
        ask("gradient", program, {n: given[n] + s * h * move[n] for n in given}, targets=("loss",))
        for s in (1, -1)
    )
    slope = (ahead["value"] - behind["value"]) / (2 * h)
    along = sum(np.vdot(answer["gradients"][n], move[n]) for n in given)
    assert along == pytest.approx(slope, rel=1e-6)
    products = ask("hvp", program, given, move, targets=("loss",))["hvp"]
    for n in given:
        bend = (ahead["gradients"][n] - behind["gradients"][n]) / (2 * h)
        np.testing.assert_allclose(products[n], bend, rtol=1e-4, atol=1e-7 * np.abs(bend).max())


def test_memory_is_as_estimated() -> None:
    program = SQUARE.format(m=100, scale=float(101**2), more="")
    given = {"s": rng().normal(size=(100, 100)), "k": np.array(1.0)}
    gradient = compiled("gradient", program, given, targets=("loss",))
    gradient.run(given)
    tracemalloc.start()
    gradient.run(given)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= gradient.estimate.peak_bytes <= 3 * peak


def test_shape_and_start_do_not_matter() -> None:
    program = (
        "def f(x, a):\n    return x ** 3 + x - a\ny = root(f, a, a, method='krylov')\nloss = sum(sin(y))"
    )
    a = rng().normal(size=(2, 3, 1))
    answer = ask("gradient", program, {"a": a}, targets=("loss",))
    y = ask("evaluate", program, {"a": a}, outputs=("y",))["outputs"]["y"]
    np.testing.assert_allclose(y**3 + y, a, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(answer["gradients"]["a"], np.cos(y) / (3 * y**2 + 1), rtol=1e-10)


@pytest.mark.parametrize("method", ["dense", "krylov"])
@pytest.mark.parametrize("op", ["root", "fixed_point"])
def test_no_unknowns_at_all(op: str, method: str) -> None:
    program = f"def f(x, a):\n    return a - x\nsum({op}(f, a, a, method='{method}'))"
    answer = ask("gradient", program, {"a": np.zeros((0, 2))}, targets=("result",))
    assert answer["value"] == 0
    assert answer["gradients"]["a"].shape == (0, 2)


@pytest.mark.parametrize("method", ["dense", "krylov"])
def test_half_precision_is_refused(method: str) -> None:
    program = f"def f(x, a):\n    return x + x * x - a\nroot(f, a, a, method='{method}')"
    with pytest.raises(DtypeMismatch, match="float32 or wider"):
        ask("evaluate", program, {"a": np.float16(2.0)})


def test_a_gradient_as_a_graph_solves_again() -> None:
    program = "def f(x, A, b):\n    return A @ x + tanh(x) - b\n"
    program += "loss = sum(root(f, b, A, b, method='krylov') ** 2)"
    given = {name: v for name, v in values().items() if name != "x0"}
    answer = ask("gradient", program, given, targets=("loss",), return_graph=True)
    again = Compiler().compile(
        Query(graph=decode_graph(answer["graph"]), kind="evaluate", inputs=types(given))
    )
    found = again.run(given)["outputs"]
    assert found["value"] == answer["value"]
    for name in given:
        np.testing.assert_array_equal(found[f"gradients/{name}"], answer["gradients"][name])


# -- honest failure ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["dense", "krylov"])
def test_an_equation_without_a_solution_is_an_error_at_its_node(method: str) -> None:
    program = f"def f(x):\n    return x ** 2 + 1\ny = root(f, 2.0, method='{method}')"
    with pytest.raises(OverLimit, match=r"'y': no root: .* at step \d+ the residual's norm is 1") as refused:
        ask("evaluate", program, {})
    assert refused.value.node == "y"
    program = program.replace("x ** 2 + 1", "x ** 2 - 1").replace("2.0", "0.0")
    with pytest.raises(OverLimit, match="singular or ill-conditioned; at step 1"):
        ask("evaluate", program, {})
    rows = f"def f(x, a):\n    return x ** 2 - a\nroot(f, 1.0, a, method='{method}')"
    with pytest.raises(OverLimit, match="no root in row 1"):
        ask("evaluate", rows, {"a": np.array([4.0, -1.0])}, batch=("a",))
    with pytest.raises(OverLimit, match="steps run out; at step 2"):
        ask("evaluate", rows.replace("')", "', max_steps=2)"), {"a": 100.0})


def test_a_linear_system_that_needs_more_products_is_an_error_that_says_so() -> None:
    program = BRATU.format(n=2000, scale=2001.0**2).replace("bandwidth=1", "linear_steps=20")
    with pytest.raises(OverLimit, match="singular or ill-conditioned") as refused:
        ask("evaluate", program, {"lam": 1.0})
    assert "relative residual" in str(refused.value.hint)
    assert "bandwidth" in str(refused.value.hint)


@pytest.mark.parametrize("method", ["dense", "krylov"])
def test_a_derivative_that_does_not_exist_is_nan_and_explained(method: str) -> None:
    """At x = 1 the Jacobian is singular, and the search is already there."""
    program = f"def f(x, a):\n    return (x - 1) ** 2 - a\ny = root(f, 1 + a, a, method='{method}')"
    answer = ask("gradient", program, {"a": 0.0}, targets=("y",), diagnose="full")
    assert np.isnan(answer["gradients"]["a"])


def test_steps_are_shortened_where_newton_overshoots() -> None:
    """atan has Newton diverge from 3; the residual does not fall along the whole step."""
    program = "def f(x, a):\n    return arctan(x) - a\nroot(f, 3.0, a)"
    answer = ask("gradient", program, {"a": 0.25}, targets=("result",))
    assert answer["value"] == pytest.approx(np.tan(0.25), rel=1e-14)
    assert answer["gradients"]["a"] == pytest.approx(1 + np.tan(0.25) ** 2, rel=1e-12)


def test_mixing_past_steps_takes_fewer_of_them() -> None:
    program = "def f(x, a):\n    return a * cos(x)\nfixed_point(f, 1.0, a, max_steps=12{more})"
    with pytest.raises(OverLimit, match=r"no fixed point after 12 steps: the last moved by 0\.00"):
        ask("evaluate", program.format(more=""), {"a": 0.9})
    answer = ask("gradient", program.format(more=", anderson=2"), {"a": 0.9}, targets=("result",))
    x = answer["value"]
    assert 0.9 * np.cos(x) == pytest.approx(x, rel=1e-13)
    assert answer["gradients"]["a"] == pytest.approx(np.cos(x) / (1 + 0.9 * np.sin(x)), rel=1e-11)


# -- the linear solver -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("unknowns", [1, 7, 120])
def test_gmres_solves_rows_of_systems(unknowns: int, dtype: Any) -> None:
    draw = rng()
    A = np.eye(unknowns) * 4 + draw.normal(size=(5, unknowns, unknowns)) / unknowns**0.5
    A[3] *= 1e-3
    b = draw.normal(size=(5, unknowns))
    b[1] = 0
    A, b = A.astype(dtype), b.astype(dtype)
    target, _ = gmres.tolerances(np, dtype, None)
    xp = namespace()
    solved = gmres.gmres(xp, lambda v: np.matmul(A, v[:, :, None])[:, :, 0], b, target=target)
    assert (solved.residual <= target).all()
    expected = np.linalg.solve(A, b[:, :, None])[:, :, 0]
    np.testing.assert_allclose(solved.x, expected, rtol=1e3 * target, atol=1e3 * target * abs(expected).max())
    assert not solved.x[1].any()


@pytest.mark.parametrize("seed", range(40))
def test_gmres_says_how_far_it_came(seed: int) -> None:
    """A singular matrix, turned any way: what rounding leaves of a zero pivot is none."""
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(2, 2)))[0] if seed else np.eye(2)
    A, b = turn @ np.diag([1.0, 0.0]) @ turn.T, turn @ np.ones(2)
    solved = gmres.gmres(namespace(), lambda v: v @ A.T, b[None], target=1e-12)
    assert solved.residual[0] <= 0.5**0.5 * 1.01, "turned, it is singular but for rounding"
    gap = np.linalg.norm(b - solved.x @ A.T) / 2**0.5
    assert solved.residual == pytest.approx([gap], rel=1e-12)


def test_a_band_is_read_from_a_few_products() -> None:
    draw = rng()
    A = np.stack([np.triu(np.tril(draw.normal(size=(23, 23)) + 5 * np.eye(23), 2), -2) for _ in range(3)])
    b = draw.normal(size=(3, 23))
    count = []

    def product(v: Array) -> Array:
        count.append(1)
        return np.matmul(A, v[:, :, None])[:, :, 0]

    inverse = gmres.band(namespace(), product, b, 2)
    assert len(count) == 5
    np.testing.assert_allclose(inverse(b), np.linalg.solve(A, b[:, :, None])[:, :, 0], rtol=1e-9, atol=1e-11)


def test_a_linear_solve_has_the_derivatives_of_a_solve() -> None:
    """By A and b, twice, against the op that factorises."""
    draw = rng()
    A, b = 3 * np.eye(4) + 0.5 * draw.normal(size=(4, 4)), draw.normal(size=4)

    def product(transposed: bool) -> Tape:
        made = Tape()
        v, a = made.input("v", TensorType((4,))), made.input("a", TensorType((4, 4)))
        made.outputs = [F.matmul(F.permute_dims(a) if transposed else a, v).slot]
        return made

    def second(free: bool) -> list[Array]:
        tape = Tape()
        a, right = tape.input("A", TensorType((4, 4))), tape.input("b", TensorType((4,)))
        x = (
            solve(right, [a], operator=product(False), transposed=product(True))
            if free
            else F.solve(a, right)
        )
        loss = F.sum(x * x * x)
        one = tape.constant(1.0)
        first = backward(tape, {loss.slot: one}, [a.slot, right.slot])
        along = F.sum(F.sin(first[a.slot])) + F.sum(F.sin(first[right.slot]))
        more = backward(tape, {along.slot: one}, [a.slot, right.slot])
        tape.outputs = [v.slot for known in (first, more) for v in (known[a.slot], known[right.slot])]
        return run_tape(tape, {"A": A, "b": b})

    for ours, expected in zip(second(True), second(False), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-11)

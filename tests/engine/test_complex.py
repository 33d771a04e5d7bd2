"""Complex numbers in every kind of derivative and in every op that takes functions, as users see them.

A gradient of a real number is dL/dRe z + i dL/dIm z, so that L moves by Re(Σ conj(g) dz). Everything is held
against differences of values, or of gradients, that no rule of ours enters.
"""

import json

import numpy as np
import pytest

from engine import Compiler, Query, decode_graph, parse_program
from engine.errors import DtypeMismatch, InvalidTarget, NotHolomorphic
from engine.queries.check import check
from engine.queries.receipt import receipt
from tests.engine.asking import ask, types

RNG = np.random.default_rng(3)


def noise(*shape):
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


def product(a, b):
    """Re Σ conj(a) b: how far b goes along the gradient a."""
    return np.vdot(a, b).real


PLAIN = """
h = tanh(A @ z + x) * exp(1j * x)
loss = sum(abs(h) ** 2) + real(sum(z * w)) + norm(w - conj(z)) + angle(prod(z)) + std(w)
"""
SCAN = """
def step(h, u, A):
    n = tanh(A @ h + u) * 0.7
    return n, abs(sum(n * conj(h)))
hs, es = scan(step, z, us, A)
loss = real(sum(hs * hs)) + sum(es ** 2)
"""
SCAN_OF_REAL = """
def step(a, u, x):
    n = a + real(u * exp(1j * x)) ** 2
    return n, n * u
total, path = scan(step, 0.0, us, x)
loss = total + sum(abs(path) ** 2)
"""
WHILE = """
def going(z, a):
    return abs(z * z - a) > 1e-12
def newton(z, a):
    return z - (z * z - a) / (2 * z)
y = while_loop(going, newton, z, a, max_steps=60)
loss = real(y) * 2 + imag(y) ** 2
"""
COND = """
def left(z, x):
    return sum(real(sin(z) * x))
def right(z, x):
    return sum(abs(z) ** 3) * x
loss = cond(left, right, real(sum(z)) > 0, z, x)
"""
MAP = """
def f(z, w):
    return tanh(z @ conj(w)) * z
loss = sum(abs(map(f, zs, w)) ** 2)
"""
CHECKPOINT = """
def f(z, x):
    h = exp(z * x)
    return sum(abs(h)), h
s, h = checkpoint(f, z, x)
loss = s + real(sum(h ** 3))
"""
CUSTOM = """
def f(z, x):
    return z * z * x, sum(abs(z) ** 2)
def g(z, x, y, s, dy, ds):
    return conj(2 * z * x) * dy + 2 * ds * z, conj(z * z) * dy
y, s = custom_gradient(f, g, z, x)
loss = real(sum(sin(y))) + s ** 2
"""
CUSTOM_JVP = CUSTOM.replace(
    "y, s = custom_gradient(f, g, z, x)",
    "def h(z, x, y, s, tz, tx):\n    return 2 * z * x * tz + z * z * tx, 2 * real(sum(conj(z) * tz))\n"
    "y, s = custom_gradient(f, g, z, x, jvp=h)",
)
GRADIENT = """
def f(z, x):
    return sum(abs(tanh(z * x)) ** 2)
g = gradient(f, z, x, wrt=[0])
loss = sum(abs(g) ** 2) + real(sum(g))
"""
VJP = """
def f(z, x):
    return exp(z) * x, abs(z)
a, b = vjp(f, z, x, c, x)
loss = real(sum(a * z)) + sum(b ** 2)
"""
JVP = """
def f(z, x):
    return exp(z) * x, abs(z)
a, b = jvp(f, z, x, c, x)
loss = imag(sum(a)) + sum(b ** 2)
"""
JACOBIAN = """
def f(z, x):
    return exp(z) * x, abs(z) ** 2 * sum(x), sum(z * z * x)
yz, rz, sz = jacobian(f, z, x, wrt=[0])
yx, rx, sx = jacobian(f, z, x, wrt=[1])
loss = sum(abs(yz) ** 2) + imag(sum(rz * z)) + abs(sum(sz)) ** 2 + sum(abs(yx) ** 2) + sum(rx ** 2)
"""
ROOT = """
def f(z, a, x):
    return z ** 3 + z * x - a
y = root(f, 1.0 + 0.5j, a, x)
loss = abs(y) ** 2 + real(y)
"""
SYSTEM = """
def f(z, A, c):
    return A @ z + 0.1 * z * z - c
y = root(f, z0, A, c)
loss = sum(abs(y) ** 4) + real(y[0])
"""
KRYLOV = SYSTEM.replace("c)\nloss", "c, method='krylov')\nloss")
BANDED = SYSTEM.replace("c)\nloss", "c, method='krylov', bandwidth=2)\nloss")
FIXED = """
def f(z, a, x):
    return 0.3 * sin(z) * x + a
y = fixed_point(f, 0.1j, a, x)
loss = real(y) + imag(y) ** 2
"""
MIXED = FIXED.replace("a, x)\nloss", "a, x, anderson=2)\nloss")
REAL_ROOT = """
def f(r, a):
    return r ** 2 - abs(a) ** 2
loss = root(f, 1.0, a) ** 3
"""

MATRIX = noise(3, 3) / 2
PROGRAMS = {
    "plain": (PLAIN, {"A": MATRIX, "z": noise(3), "w": noise(3), "x": RNG.normal(size=3)}),
    "scan": (SCAN, {"z": noise(3), "us": noise(4, 3), "A": MATRIX}),
    "scan-of-real": (SCAN_OF_REAL, {"us": noise(4), "x": np.array(0.4)}),
    "while": (WHILE, {"z": np.array(1 + 1j), "a": np.array(-2 + 3j)}),
    "cond-then": (COND, {"z": np.array([1 + 1j, 0.5 - 2j]), "x": np.array(0.7)}),
    "cond-else": (COND, {"z": np.array([-1 + 1j, 0.5 - 2j]), "x": np.array(0.7)}),
    "map": (MAP, {"zs": noise(4, 3), "w": MATRIX}),
    "checkpoint": (CHECKPOINT, {"z": noise(3) / 2, "x": RNG.normal(size=3)}),
    "custom": (CUSTOM, {"z": noise(3) / 2, "x": RNG.normal(size=3)}),
    "custom-jvp": (CUSTOM_JVP, {"z": noise(3) / 2, "x": RNG.normal(size=3)}),
    "gradient": (GRADIENT, {"z": noise(3) / 2, "x": RNG.normal(size=3)}),
    "vjp": (VJP, {"z": noise(3) / 2, "x": RNG.normal(size=3), "c": noise(3)}),
    "jvp": (JVP, {"z": noise(3) / 2, "x": RNG.normal(size=3), "c": noise(3)}),
    "jacobian": (JACOBIAN, {"z": noise(3) / 2, "x": RNG.normal(size=3)}),
    "root": (ROOT, {"a": np.array(2 - 1j), "x": np.array(0.6)}),
    "system": (SYSTEM, {"z0": np.zeros(3, complex), "A": MATRIX + 3 * np.eye(3), "c": noise(3)}),
    "krylov": (KRYLOV, {"z0": np.zeros(3, complex), "A": MATRIX + 3 * np.eye(3), "c": noise(3)}),
    "banded": (BANDED, {"z0": np.zeros(3, complex), "A": MATRIX + 3 * np.eye(3), "c": noise(3)}),
    "mixed": (MIXED, {"a": np.array(0.4 + 0.3j), "x": np.array(0.8)}),
    "fixed-point": (FIXED, {"a": np.array(0.4 + 0.3j), "x": np.array(0.8)}),
    "real-root": (REAL_ROOT, {"a": np.array(0.4 + 0.3j)}),
}
FIRST_ONLY = {"while"}  # Newton's second derivatives are those of its steps, which ends differ by rounding
EACH = pytest.mark.parametrize("name", PROGRAMS)


def moves_of(values):
    return {
        n: noise(*v.shape) if v.dtype.kind == "c" else RNG.normal(size=v.shape) for n, v in values.items()
    }


def moved(values, moves, h):
    return {name: value + h * moves[name] for name, value in values.items()}


@EACH
def test_gradients_agree_with_differences_in_every_direction(name):
    program, values = PROGRAMS[name]
    answer = ask("gradient", program, values, targets=("loss",), unconnected="zero")
    for variable, value in values.items():
        gradient = answer["gradients"][variable]
        assert (gradient.shape, gradient.dtype) == (value.shape, value.dtype)
        ways = (1, 1j) if value.dtype.kind == "c" else (1,)
        for place in np.ndindex(value.shape):
            expected = 0
            for way in ways:
                step = np.zeros_like(value)
                step[place] = way
                h = 1e-6
                ahead, behind = (
                    ask("evaluate", program, {**values, variable: value + s * step}, outputs=("loss",))
                    for s in (h, -h)
                )
                expected += way * (ahead["outputs"]["loss"] - behind["outputs"]["loss"]) / (2 * h)
            np.testing.assert_allclose(gradient[place], expected, rtol=2e-5, atol=2e-7)


@EACH
def test_tangents_agree_with_gradients(name):
    program, values = PROGRAMS[name]
    moves = moves_of(values)
    gradients = ask("gradient", program, values, targets=("loss",), unconnected="zero")["gradients"]
    pushed = ask("jvp", program, values, directions=moves, outputs=("loss",))["jvp"]["loss"]
    assert pushed == pytest.approx(sum(product(gradients[n], moves[n]) for n in values), rel=1e-9)


@EACH
def test_second_derivatives_agree_with_differences_of_gradients(name):
    program, values = PROGRAMS[name]
    moves = moves_of(values)
    products = ask("hvp", program, values, directions=moves, targets=("loss",))["hvp"]
    h = 1e-5
    ahead, behind = (
        ask("gradient", program, moved(values, moves, s), targets=("loss",), unconnected="zero")["gradients"]
        for s in (h, -h)
    )
    for n, got in products.items():
        np.testing.assert_allclose(got, (ahead[n] - behind[n]) / (2 * h), rtol=2e-4, atol=2e-5)


@EACH
def test_batches_agree_with_loops(name):
    program, values = PROGRAMS[name]
    for batched in [tuple(values), tuple(values)[:1], tuple(values)[-1:]]:
        rows = {n: np.stack([v, v * 1.05, v * 0.9]) if n in batched else v for n, v in values.items()}
        whole = ask("gradient", program, rows, targets=("loss",), batch=batched, unconnected="zero")
        for k in range(3):
            one = {n: v[k] if n in batched else v for n, v in rows.items()}
            part = ask("gradient", program, one, targets=("loss",), unconnected="zero")
            np.testing.assert_allclose(whole["value"][k], part["value"], rtol=1e-9)
            for n, gradient in part["gradients"].items():
                np.testing.assert_allclose(whole["gradients"][n][k], gradient, rtol=1e-7, atol=1e-9)


@EACH
def test_the_checks_pass(name):
    program, values = PROGRAMS[name]
    answer = check(parse_program(program), values, target="loss")
    assert answer["passed"], answer


@EACH
def test_the_gradient_as_a_graph_answers_the_same_bits(name):
    program, values = PROGRAMS[name]
    answer = ask("gradient", program, values, targets=("loss",), return_graph=True)
    graph = decode_graph(answer["graph"])
    query = Query(graph=graph, kind="evaluate", inputs=types(values))
    again = Compiler().compile(query).run(values)["outputs"]
    for variable, gradient in answer["gradients"].items():
        if gradient is not None:
            np.testing.assert_array_equal(again[f"gradients/{variable}"], gradient)


# -- products and matrices ---------------------------------------------------------------------------

SEVERAL = "y = exp(z) * x + conj(z) * 0.5\nr = abs(z) ** 2 * x\n"
POINT = {"z": noise(2), "x": RNG.normal(size=2)}


def test_a_vjp_is_the_adjoint_of_the_jvp_and_conjugated():
    """Of a C-linear map J with the cotangent g it is Jᴴ g."""
    J, g, z = noise(2, 3), noise(2), noise(3)
    answer = ask("vjp", "y = J @ z", {"J": J, "z": z}, directions={"y": g}, wrt=("z",))
    np.testing.assert_allclose(answer["vjp"]["z"], J.conj().T @ g)
    seeds, moves = {"y": noise(2), "r": RNG.normal(size=2)}, {"z": noise(2), "x": RNG.normal(size=2)}
    pulled = ask("vjp", SEVERAL, POINT, directions=seeds)["vjp"]
    pushed = ask("jvp", SEVERAL, POINT, directions=moves, outputs=("y", "r"))["jvp"]
    left = sum(product(seeds[n], pushed[n]) for n in seeds)
    assert left == pytest.approx(sum(product(pulled[n], moves[n]) for n in moves))


def test_many_cotangents_are_each_pulled_back():
    seeds = {"y": noise(3, 2), "r": RNG.normal(size=(3, 2))}
    whole = ask("vjp", SEVERAL, POINT, directions=seeds, cotangent_batch=True)["vjp"]
    for k in range(3):
        part = ask("vjp", SEVERAL, POINT, directions={n: v[k] for n, v in seeds.items()})["vjp"]
        for name, pulled in part.items():
            np.testing.assert_allclose(whole[name][k], pulled)


def test_the_gauss_newton_product_is_the_adjoint_of_the_push():
    moves = {"z": noise(2), "x": RNG.normal(size=2)}
    pushed = ask("jvp", SEVERAL, POINT, directions=moves, outputs=("y", "r"))["jvp"]
    expected = ask("vjp", SEVERAL, POINT, directions=pushed)["vjp"]
    got = ask("gnvp", SEVERAL, POINT, directions=moves, outputs=("y", "r"))["gnvp"]
    for name in moves:
        np.testing.assert_allclose(got[name], expected[name])


@pytest.mark.parametrize("method", ["forward", "reverse", "auto"])
def test_jacobians_between_real_and_complex(method):
    program = "y = exp(z) * x\nr = abs(z) ** 2 * x\nu = exp(1j * x) * x\ns = x ** 3"
    z, x = POINT["z"], POINT["x"]
    blocks = ask("jacobian", program, POINT, outputs=tuple("yrus"), method=method)["jacobian"]
    for (out, variable), expected in {
        ("y", "z"): np.exp(z) * x,  # the derivative itself
        ("y", "x"): np.exp(z),
        ("r", "z"): 2 * z * x,  # dr/dRe z + i dr/dIm z
        ("r", "x"): np.abs(z) ** 2,
        ("u", "x"): np.exp(1j * x) * (1 + 1j * x),
        ("s", "x"): 3 * x**2,
    }.items():
        got = blocks[out][variable]
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got, np.diag(expected), rtol=1e-13, atol=1e-15)
    assert not blocks["u"]["z"].any()
    assert not blocks["s"]["z"].any()


@pytest.mark.parametrize("method", ["forward", "reverse"])
def test_rows_of_jacobians(method):
    rows = {"z": noise(3, 2), "x": RNG.normal(size=(3, 2))}
    program = "y = exp(z) * x\nr = abs(z) * x"
    whole = ask("jacobian", program, rows, batch=("z", "x"), method=method)["jacobian"]
    for k in range(3):
        part = ask("jacobian", program, {n: v[k] for n, v in rows.items()}, method=method)["jacobian"]
        for out, row in part.items():
            for name, block in row.items():
                np.testing.assert_allclose(whole[out][name][k], block)


def test_a_jacobian_node_answers_what_the_question_does():
    function = "def f(z, x):\n    return exp(z) * x, abs(z) ** 2 * x, sum(z * z * x)\n"
    asked = ask("jacobian", function + "y, r, s = call(f, z, x)", POINT, outputs=("y", "r", "s"))["jacobian"]
    for position, name in enumerate("zx"):
        program = f"{function}y, r, s = jacobian(f, z, x, wrt=[{position}])"
        for out, block in ask("evaluate", program, POINT, outputs=("y", "r", "s"))["outputs"].items():
            assert block.dtype == asked[out][name].dtype
            np.testing.assert_allclose(block, asked[out][name], rtol=1e-13, atol=1e-15)
    with pytest.raises(NotHolomorphic, match="input 0: conj is not holomorphic"):
        ask("evaluate", "def f(z):\n    return conj(z)\njacobian(f, z)", {"z": noise(2)})


LOOP_OF_PARTS = "def f(a, b):\n    return a * conj(b)\ny = scan(f, z, z)[0]"
FLAT = """
def f(z):
    return z * z
def g(z, y, dy):
    return {}
y = custom_gradient(f, g, z)
"""


@pytest.mark.parametrize(
    ("program", "op"),
    [
        ("y = conj(z)", "conj"),
        ("y = z * abs(z)", "abs"),
        ("y = sign(z)", "direction"),
        ("y = complex(imag(z), real(z))", "imag"),
        (LOOP_OF_PARTS, "scan_loop"),
        (FLAT.format("conj(2 * z * dy)"), "custom_gradient"),
        ("def f(z):\n    return sum(abs(z) ** 2)\ny = gradient(f, z)", "abs"),
    ],
)
def test_what_is_not_holomorphic_has_no_complex_jacobian(program, op):
    with pytest.raises(NotHolomorphic, match=f"{op} is not holomorphic") as caught:
        ask("jacobian", program, {"z": noise(2)}, outputs=("y",))
    assert "real(y) and imag(y)" in caught.value.hint


@pytest.mark.parametrize(
    "program",
    [
        "y = exp(z) + 1j * abs(x)",  # what is not holomorphic is not on the path
        "y = where(real(z) > 0, z * z, sin(z))",  # nor does a derivative pass through a comparison
        "y = cumprod(z)",
        FLAT.format("conj(2 * z) * dy"),
        "def f(z):\n    return z ** 3\ny = jvp(f, z, z)",
        "def f(y, z):\n    return y * y * y - z\ndef h(z):\n    return root(f, z, z)\ny = map(h, z)",
    ],
)
def test_what_is_holomorphic_has_one_derivative_in_every_direction(program):
    values = {"z": noise(2) + 2, "x": RNG.normal(size=2)}
    given = {n: v for n, v in values.items() if n in program.replace("exp", "") or n == "z"}
    blocks = [
        ask("jacobian", program, given, outputs=("y",), wrt=("z",), method=m) for m in ("forward", "reverse")
    ]
    h = 1e-6
    for way in (1, 1j, (1 - 1j) / 2):
        for k in range(2):
            step = np.zeros(2, complex)
            step[k] = h * way
            ahead, behind = (
                ask("evaluate", program, {**given, "z": given["z"] + s * step}, outputs=("y",))["outputs"][
                    "y"
                ]
                for s in (1, -1)
            )
            for block in blocks:
                column = block["jacobian"]["y"]["z"][:, k]
                np.testing.assert_allclose(column, (ahead - behind) / (2 * h * way), rtol=1e-6, atol=1e-7)


# -- what is refused ---------------------------------------------------------------------------------


def test_a_hessian_of_complex_variables_is_refused_with_what_to_ask_instead():
    with pytest.raises(NotHolomorphic, match="complex128") as caught:
        ask("hessian", "sum(abs(z) ** 2 * x)", POINT)
    assert "hvp" in caught.value.hint
    blocks = ask("hessian", "sum(abs(z) ** 2 * x ** 2)", POINT, wrt=("x",))["hessian"]
    np.testing.assert_allclose(blocks["x"]["x"], np.diag(2 * np.abs(POINT["z"]) ** 2))
    with pytest.raises(NotHolomorphic, match="complex128"):
        ask("evaluate", "def f(z):\n    return real(sum(z * z))\nhessian(f, z)", {"z": noise(2)})


def test_a_complex_target_is_none_and_the_hint_says_what_is():
    with pytest.raises(InvalidTarget, match="is complex128") as caught:
        ask("gradient", "t = sum(z)", {"z": noise(2)})
    assert "real(t)" in caught.value.hint


def test_a_complex_direction_of_a_real_tensor_is_refused():
    with pytest.raises(DtypeMismatch, match="expected a real cotangent for 'y'"):
        ask("vjp", "y = x * x", {"x": np.ones(2)}, directions={"y": np.ones(2) * 1j})
    with pytest.raises(DtypeMismatch, match="expected a real tangent for 'x'"):
        ask("jvp", "y = x * x", {"x": np.ones(2)}, directions={"x": np.ones(2) * 1j})


def test_an_unknown_that_is_complex_needs_a_holomorphic_equation():
    with pytest.raises(NotHolomorphic, match="conj is not"):
        ask("evaluate", "def f(z, a):\n    return z * conj(z) - a\nroot(f, 1j, a)", {"a": np.array(1j)})


# -- reports -----------------------------------------------------------------------------------------


def test_a_receipt_of_a_complex_gradient():
    graph = parse_program("sum(abs(exp(z) * x) ** 2)")
    told = receipt(Query(graph=graph, kind="gradient", inputs=types(POINT)), POINT)
    assert told["inputs"]["z"] == {"shape": [2], "dtype": "complex128"}
    assert told["tests"]["passed"]
    assert told["tests"]["taylor_order"]["z"] == pytest.approx(2, abs=0.1)


def test_a_gradient_whose_conjugate_was_forgotten_does_not_pass_the_checks():
    graph = parse_program(CUSTOM.replace("conj(2 * z * x) * dy", "2 * z * x * dy"))
    answer = check(graph, PROGRAMS["custom"][1], target="loss")
    assert not answer["passed"]
    assert answer["taylor_order"]["z"] == pytest.approx(1, abs=0.1)


def test_a_gradient_that_cancels_is_right():
    """|exp(ix)|² is 1: what is left of its gradient is rounding, which no two walks share."""
    answer = check(parse_program("sum(abs(exp(1j * x)) ** 2)"), {"x": np.array([0.3, 2.0])})
    assert answer["passed"], answer


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_checks_in_both_precisions(dtype):
    values = {"z": noise(3).astype(dtype)}
    answer = check(parse_program("sum(abs(exp(z) - z) ** 2)"), values)
    assert answer["passed"], answer


def diagnosed(program, **values):
    told = ask("diagnose", program, values)["variables"]
    return {name: (entry["status"], entry["reason"]) for name, entry in told.items()}, told


def test_a_diagnosis_of_complex_gradients():
    _, told = diagnosed("real(exp(w))", w=np.array(1 + 2j))
    assert told["w"]["status"] == "ok"
    assert told["w"]["stats"]["norm"] == told["w"]["stats"]["max"] == pytest.approx(np.exp(1))
    _, told = diagnosed("imag(sum(w * z))", z=np.array([1 + 2j, 3j]), w=np.array([0j, 0j]))
    culprit = told["z"]["culprits"][0]
    assert culprit["reason"] == "zero_operand"
    assert culprit["evidence"]["cotangent"] == [[0.0, 1.0], [0.0, 1.0]]  # i: d imag / d Im
    found, _ = diagnosed("sum(abs(log(z)))", z=np.array([0j, 1j]))
    assert found["z"] == ("inf", "domain")
    found, told = diagnosed("real(sum(sqrt(z)))", z=np.array([0j, 1j]))
    assert found["z"] == ("inf", "infinite_derivative")
    assert "sqrt(z + 1e-12)" in told["z"]["fix"]
    found, _ = diagnosed("real(sum(z - z))", z=noise(2))
    assert found["z"] == ("zero", "cancellation")
    found, _ = diagnosed("sum(imag(x * 1.0)) + imag(z)", x=np.ones(2), z=np.array(1j))
    assert found == {"x": ("zero", "stationary"), "z": ("ok", None)}


def test_a_kink_at_a_complex_zero_is_told_and_its_gradient_is_zero():
    answer = ask("gradient", "sum(abs(z))", {"z": np.array([0j, 3 + 4j])}, diagnose="full")
    np.testing.assert_array_equal(answer["gradients"]["z"], [0, 0.6 + 0.8j])
    assert "kink" in {w["code"] for w in answer["diagnosis"]["z"]["warnings"]}
    for program in ("norm(z)", "sum(angle(z))", "real(sum(sign(z)))", "std(z)"):
        zero = ask("hvp", program, {"z": np.zeros(2, complex)}, directions={"z": noise(2)})
        np.testing.assert_array_equal(zero["gradients"]["z"], 0)
        np.testing.assert_array_equal(zero["hvp"]["z"], 0)


@EACH
def test_every_program_can_be_diagnosed(name):
    """The sweep plays loops and branches with sizes, which are real, in the place of complex cotangents."""
    program, values = PROGRAMS[name]
    told = ask("diagnose", program, values, targets=("loss",))["variables"]
    gradients = ask("gradient", program, values, targets=("loss",), unconnected="zero")["gradients"]
    for variable, entry in told.items():
        alive = np.abs(gradients[variable]).max() > 1e-12
        assert entry["status"] == "ok" or not alive, entry["message"]
    still = {n: v * 0 for n, v in values.items()} if name in ("scan", "map", "checkpoint") else values
    for entry in ask("diagnose", program, still, targets=("loss",))["variables"].values():
        assert entry["status"] in ("ok", "zero", "disconnected", "stopped")
        json.dumps(entry, allow_nan=False)


@pytest.mark.parametrize("program", ["sum(real(z))", "sum(real(z * 2))", "sum(real(z) ** 2)"])
def test_gradients_that_are_real_have_no_negative_zero(program):
    values = {"z": np.array([1 + 1j, 2])}
    gradient = ask("gradient", program, values)["gradients"]["z"]
    row = ask("jacobian", program, values)["jacobian"]["result"]["z"]
    pulled = ask("vjp", program, values, directions={"result": np.array(1.0)})["vjp"]["z"]
    for answer in (gradient, row, pulled):
        assert not np.signbit([answer.real, answer.imag]).any()

"""Random programs on complex numbers, as `random_programs` makes them on real ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.engine.random_programs import NUMPY, Array, Sketch, apart, drawn_lines, torch_functions

HOLOMORPHIC = (
    "sin(a)", "cos(a)", "exp(0.5 * a)", "0.25 * a * a", "a ** 3 / 8", "1 / (3 + 0.2j + a * a / 9)", "-a",
    "1j * a", "log(9 + a)", "sqrt(9 + a)", "expm1(a / 2)", "sinh(a / 2)", "tanh(a / 8)", "arctan(a / 9)",
    "square(a) - a", "(9 + a) ** 0.5", "(9 + a) ** (0.2j + a / 9)",
)  # fmt: skip
OTHER = (
    "conj(a)", "real(a)", "imag(a)", "abs(a)", "angle(a)", "sign(a)", "a * conj(a)",
    "complex(real(a), imag(a) ** 2)", "where(real(a) > 0, a, sin(a))",
)  # fmt: skip
BINARY = ("a + b", "a - b", "a * b / 2", "a * conj(b)", "a / (9 + b)", "where(imag(b) > 0.01, a, sin(b))")
REDUCING = ("sum(a, axis=-1)", "mean(a, axis=0)", "prod(a / 2, axis=0)", "var(a, axis=-1)", "norm(a)")
SHAPING = (
    "cumsum(a, axis=0)", "transpose(a)", "reshape(a, (-1,))", "flip(a, axis=0)", "a[1:]", "a[0]",
    "concatenate([a, sin(a)], axis=0)", "stack([a, conj(a)], axis=0)", "expand_dims(a, axis=0)",
    "take(a, [0, 1, 0], axis=0)", "cumprod(a, axis=0)",
)  # fmt: skip
PRODUCTS = ("(a + 0j) @ (b + 0j) / 3", "outer(reshape(a, (-1,)), reshape(b, (-1,)))", "vdot(a + 0j, 1j * a)")
LOOPS = ("scan(turn, 0j, reshape(a, (-1,)) + 0j)[1]", "map(mirror, reshape(a, (-1,)) + 0j)")
TEMPLATES = HOLOMORPHIC + OTHER + BINARY + REDUCING + SHAPING + PRODUCTS + LOOPS
FUNCTIONS = """def turn(h, u):
    n = 0.5 * h + u * conj(h) / 3 + u
    return n, n * n / 4
def mirror(u):
    return u * exp(0.5j * real(u))
"""


@st.composite
def complex_sketches(draw: Callable[..., Any], lines: int = 10) -> Sketch:
    """Of a complex vector, a complex matrix and a real vector; ends in complex `y` and real `loss`."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def values(*shape: int) -> Array:
        return np.asarray(rng.uniform(-1.2, 1.2, shape))

    inputs = {"z": values(3) + 1j * values(3), "W": values(2, 3) + 1j * values(2, 3), "x": values(3)}
    text, known = drawn_lines(draw, inputs, TEMPLATES, COMPLEX_NUMPY, lines)
    ends = dict.fromkeys([*list(known)[-3:], *inputs])
    heads = [f"({k + 1}.5 - 1j) * reshape({name}, (-1,))[:1]" for k, name in enumerate(ends)]
    means = [f"mean(real({name} * conj({name})))" for name in ends]
    text += [f"y = concatenate([{', '.join(heads)}], axis=0)"]
    text += [f"loss = real(sum(sin(y / 9))) + {' + '.join(means)}"]
    return Sketch("\n".join(text), inputs)


def _scan(f: Callable[..., Any], carry: Any, xs: Any, stack: Callable[..., Any]) -> Any:
    rows = []
    for x in xs:
        carry, row = f(carry, x)
        rows.append(row)
    return carry, stack(rows)


def _turn(conj: Callable[..., Any]) -> Callable[..., Any]:
    def turn(h: Any, u: Any) -> Any:
        n = 0.5 * h + u * conj(h) / 3 + u
        return n, n * n / 4

    return turn


def _loops(conj: Any, exp: Any, real: Any, stack: Any) -> dict[str, Any]:
    return {
        "turn": _turn(conj),
        "mirror": lambda u: u * exp(0.5j * real(u)),
        "scan": lambda f, carry, xs: _scan(f, carry, xs, stack),
        "map": lambda f, xs: stack([f(x) for x in xs]),
    }


COMPLEX_NUMPY: dict[str, Any] = {
    **NUMPY,
    **{name: getattr(np, name) for name in ("conj", "imag", "cumprod", "vdot")},
    **_loops(np.conj, np.exp, np.real, np.stack),
    "real": lambda x: np.real(apart(np.real(x), 0) + 1j * np.imag(x)),  # conditions look at it
    "angle": lambda x: np.angle(apart(x, 0)) if apart(np.imag(x), 0) is not None else x,
    "sign": lambda x: np.sign(apart(x, 0)),
    "norm": lambda x: np.linalg.norm(np.ravel(x)),
    "complex": lambda a, b: a + 1j * b,
}


def complex_torch(torch: Any) -> dict[str, Any]:
    """The same names in PyTorch."""

    def imag(x: Any) -> Any:
        return x.imag if x.is_complex() else torch.zeros_like(x)

    def where(condition: Any, a: Any, b: Any) -> Any:
        dtype = torch.result_type(a, b)  # PyTorch's own backward fails where one is real and one complex
        return torch.where(condition, a.to(dtype), b.to(dtype))

    def unless_number(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x: function(x) if isinstance(x, torch.Tensor) else np.conj(x)

    return {
        **torch_functions(torch),
        **_loops(unless_number(torch.conj), torch.exp, torch.real, torch.stack),
        "conj": torch.conj,
        "real": torch.real,
        "imag": imag,
        "where": where,
        "angle": torch.angle,
        "sign": torch.sgn,
        "norm": torch.linalg.vector_norm,
        "vdot": lambda a, b: torch.vdot(a.reshape(-1), b.reshape(-1)),
        "complex": torch.complex,
        "cumprod": lambda x, axis: torch.cumprod(x, dim=axis),
    }

"""Random programs in NumPy syntax, kept within bounds; the same text runs in the engine and in its peers.

A program is built line by line on real values, so that shapes fit, nothing overflows and no value lies on a
kink. Its text is what the engine parses; a peer runs it as Python with names of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.special
from hypothesis import strategies as st

Array = np.ndarray[Any, Any]
LARGEST = 8.0
NEAR = 1e-3  # closer than this to a kink is too close for finite differences and for peers to agree

UNARY = (
    "tanh(a)", "sin(a)", "cos(a)", "sigmoid(a)", "exp(tanh(a))", "log(1 + a * a)", "sqrt(1 + a ** 2)",
    "0.25 * a * a", "0.1 * a ** 3", "arctan(a)", "erf(a)", "1 / (2 + sin(a))", "softplus(a)", "-a",
    "expm1(tanh(a))", "log1p(exp(a))", "square(a) - a", "sinh(tanh(a))",
    "(1.5 + tanh(a)) ** (1 + sin(a) / 2)",
)  # fmt: skip
KINKED = ("relu(a) + 0.1 * a", "abs(a)", "clip(a, -0.7, 0.7) + 0.1 * a", "where(a > 0, sin(a), 2 * a)")
BINARY = (
    "a + b", "a - b", "tanh(a) * b", "a / (1 + b * b)", "arctan2(a, 2 + b * b)", "where(b > 0, a, sin(b))",
    "(a - b) ** 2 / 4",
)  # fmt: skip
REDUCING = (
    "sum(a, axis=-1)",
    "mean(a, axis=0)",
    "logsumexp(a, axis=-1)",
    "prod(tanh(a), axis=0)",
    "var(a, axis=-1)",
)
ORDERED = ("max(a, axis=-1)", "min(a, axis=0)")
SHAPING = (
    "softmax(a, axis=-1)", "cumsum(a, axis=0)", "transpose(a)", "reshape(a, (-1,))", "flip(a, axis=0)",
    "a[1:]", "a[0]", "concatenate([a, sin(a)], axis=0)", "stack([a, cos(a)], axis=0)",
    "expand_dims(a, axis=0)", "take(a, [0, 1, 0], axis=0)",
)  # fmt: skip
PRODUCTS = ("a @ b / 3", "outer(reshape(a, (-1,)), reshape(b, (-1,)))")
NEEDS_NO_AXES = ("stack", "expand_dims")
TEMPLATES = UNARY + KINKED + BINARY + REDUCING + ORDERED + SHAPING + PRODUCTS


@dataclass(frozen=True)
class Sketch:
    """The program's text, which ends in a vector `y` and a scalar `loss`, and the values of its inputs."""

    text: str
    inputs: Mapping[str, Array]

    def __repr__(self) -> str:
        shapes = {name: value.shape for name, value in self.inputs.items()}
        return f"{shapes}\n{self.text}"


@st.composite
def sketches(draw: Callable[..., Any], lines: int = 10) -> Sketch:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shapes = {"x": (3,), "W": (2, 3), "s": ()}
    inputs = {name: rng.uniform(-1.2, 1.2, shape) for name, shape in shapes.items()}
    text, known = drawn_lines(draw, inputs, TEMPLATES, NUMPY, lines)
    ends = dict.fromkeys([*list(known)[-3:], *inputs])  # every input is used
    heads = [f"{k + 1}.5 * reshape({name}, (-1,))[:1]" for k, name in enumerate(ends)]
    means = [f"mean({name} ** 2)" for name in ends]
    text += [f"y = concatenate([{', '.join(heads)}], axis=0)", f"loss = sum(sin(y)) + {' + '.join(means)}"]
    return Sketch("\n".join(text), inputs)


def drawn_lines(
    draw: Callable[..., Any],
    inputs: Mapping[str, Array],
    templates: Sequence[str],
    functions: Mapping[str, Any],
    lines: int,
) -> tuple[list[str], dict[str, Array]]:
    """Lines that fit on values that there are by then, and the value of every name."""
    known = dict(inputs)
    text: list[str] = []
    for number in range(draw(st.integers(2, lines))):
        template = draw(st.sampled_from(templates))
        a, b = (draw(st.sampled_from(list(known))) for _ in range(2))
        if "axis" in template and known[a].ndim == 0 and not template.startswith(NEEDS_NO_AXES):
            continue  # NumPy lets a scalar have an axis -1
        line = _filled(template, a, b)
        value = _tried(line, known, functions)
        if value is not None:
            text.append(f"v{number} = {line}")
            known[f"v{number}"] = value
    return text, known


def _filled(template: str, a: str, b: str) -> str:
    """The template with names in place of the words `a` and `b`."""
    words = {"a": a, "b": b}
    out, word = [], ""
    for letter in template + " ":
        if letter.isalnum() or letter == "_":
            word += letter
        else:
            out += [words.get(word, word), letter]
            word = ""
    return "".join(out).rstrip()


def _tried(line: str, known: Mapping[str, Array], functions: Mapping[str, Any]) -> Array | None:
    """The line's value where it fits, stays in bounds and keeps away from kinks."""
    try:
        with np.errstate(all="raise"):
            value = np.asarray(play(line, known, functions))
    except (ValueError, IndexError, TypeError, FloatingPointError, np.exceptions.AxisError):
        return None
    if not 0 < value.size <= 24 or value.ndim > 3 or float(np.abs(value).max()) > LARGEST:
        return None
    return value


def play(expression: str, values: Mapping[str, Any], functions: Mapping[str, Any]) -> Any:
    """The value of an expression of ours under a peer's functions."""
    return eval(expression, dict(functions), dict(values))


def run(sketch: Sketch, inputs: Mapping[str, Any], functions: Mapping[str, Any]) -> dict[str, Any]:
    """Every name of the program, by a peer."""
    known = dict(inputs)
    for line in sketch.text.splitlines():
        name, _, expression = line.partition(" = ")
        known[name] = play(expression, known, functions)
    return known


class Kink(ValueError):
    """A value lies on a kink, or close to one."""


def apart(x: Any, *places: float) -> Any:
    """`x`, which has to keep away from the places."""
    if any(float(np.abs(np.asarray(x) - place).min(initial=1)) < NEAR for place in places):
        raise Kink
    return x


def _extreme(ordered: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(x: Any, axis: int) -> Any:
        if x.shape[axis] > 1:
            apart(np.diff(np.sort(x, axis=axis), axis=axis), 0)
        return ordered(x, axis=axis)

    return reduce


_NUMPY = """tanh sin cos exp log sqrt arctan expm1 log1p square sinh arctan2 sum mean prod var cumsum
transpose reshape concatenate stack expand_dims outer flip take"""
NUMPY: dict[str, Any] = {
    **{name: getattr(np, name) for name in _NUMPY.split()},
    "sigmoid": scipy.special.expit,
    "erf": scipy.special.erf,
    "softplus": lambda x: np.logaddexp(x, 0),
    "logsumexp": scipy.special.logsumexp,
    "softmax": scipy.special.softmax,
    "relu": lambda x: np.maximum(apart(x, 0), 0),
    "abs": lambda x: np.abs(apart(x, 0)),
    "clip": lambda x, low, high: np.clip(apart(x, low, high), low, high),
    "where": np.where,
    "max": _extreme(np.max),
    "min": _extreme(np.min),
}


def jax_functions(jax: Any) -> dict[str, Any]:
    """The same names in JAX."""
    nn, jnp = jax.nn, jax.numpy
    special = {"erf": jax.scipy.special.erf, "logsumexp": jax.scipy.special.logsumexp}
    activations = {name: getattr(nn, name) for name in ("sigmoid", "softplus", "softmax", "relu")}
    plain = {name: getattr(jnp, name) for name in NUMPY if hasattr(jnp, name)}
    take = {"take": lambda x, rows, axis: jnp.take(x, jnp.asarray(rows), axis=axis)}
    return {**plain, **special, **activations, **take}


def torch_functions(torch: Any) -> dict[str, Any]:
    """The same names in PyTorch."""
    plain = {name: getattr(torch, name) for name in NUMPY if hasattr(torch, name)}

    def reducing(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x, axis=None: function(x) if axis is None else function(x, dim=axis)

    special = SimpleNamespace(
        transpose=lambda x: x.permute(tuple(reversed(range(x.ndim)))),
        softplus=lambda x: torch.nn.functional.softplus(x, threshold=1e9),
        concatenate=lambda xs, axis: torch.cat(xs, dim=axis),
        flip=lambda x, axis: torch.flip(x, (axis,)),
        take=lambda x, rows, axis: torch.index_select(x, axis, torch.tensor(rows)),
        stack=lambda xs, axis: torch.stack(xs, dim=axis),
        expand_dims=lambda x, axis: x.unsqueeze(axis),
        var=lambda x, axis: torch.var(x, dim=axis, correction=0),
        max=lambda x, axis: torch.amax(x, dim=axis),
        min=lambda x, axis: torch.amin(x, dim=axis),
        **{
            name: reducing(getattr(torch, name))
            for name in ("sum", "mean", "prod", "logsumexp", "softmax", "cumsum")
        },
    )
    return {**plain, **vars(special)}

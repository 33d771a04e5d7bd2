"""Random programs of loops, branches, maps and derivatives inside graphs; JAX runs their text too, as Python.

Values named v are vectors of three, M is a matrix, X holds the steps of a loop. Every function ends in tanh,
so that nothing grows. What JAX has under another name or not at all is written here over what it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

Array = np.ndarray[Any, Any]
NAMES = ("v", "M", "X")
BLOCKS = (
    "scan", "reverse", "counted", "nested", "while", "cond", "map", "checkpoint", "custom", "gradient",
    "jvp", "jacobian", "hessian", "root", "fixed",
)  # fmt: skip

EXPRESSIONS = (
    "sin({a}) * {b}", "{a} + 0.3 * {b}", "m @ {a} / 2", "{a} @ m - {b}", "{a} * sum({b}) / 3",
    "exp(-{a} * {a})", "where({a} > 0.05, {a} * {b}, 0.5 * {b})", "cumsum({a}) / 2", "softmax({a}) * {b}",
    "{a} / (1 + {b} * {b})", "concatenate([{a}[1:], {b}[:1]], axis=0)", "outer({a}, {b}) @ {b} / 2",
    "max({a}) * {b}", "{a} ** 3 - {b}", "sqrt(1 + {a} ** 2) - 1", "stack([{a}[2], {b}[0], {a}[1]], axis=0)",
)  # fmt: skip


@dataclass(frozen=True)
class Controls:
    """The program's text, which ends in a scalar `loss`, the blocks in it, and the values of its inputs."""

    text: str
    blocks: tuple[str, ...]
    inputs: Mapping[str, Array]

    def __repr__(self) -> str:
        return f"{dict(self.inputs)}\n{self.text}"


class _Writer:
    """Writes one program; `draw` makes its choices."""

    def __init__(self, draw: Callable[..., Any]) -> None:
        self.draw = draw
        self.lines: list[str] = []
        self.known = ["v"]
        self.count = 0

    def lines_of(self, names: list[str], most: int = 3) -> list[str]:
        """A few lines over `names`; the last one's name comes first in the answer."""
        known, lines = list(names), []
        for k in range(self.draw(st.integers(1, most))):
            a, b = (self.draw(st.sampled_from(known)) for _ in range(2))
            lines.append(f"t{k} = " + self.draw(st.sampled_from(EXPRESSIONS)).format(a=a, b=b))
            known.append(f"t{k}")
        return [known[-1], *lines]

    def function(self, name: str, parameters: str, vectors: list[str], answer: str) -> None:
        """A function whose answer is told in terms of `t`, the last line's name."""
        last, *lines = self.lines_of(vectors)
        lines.append("return " + answer.format(t=last))
        self.lines += [f"def {name}({parameters}):", *("    " + line for line in lines)]

    def block(self, kind: str) -> None:
        k = self.count = self.count + 1
        a, b = (self.draw(st.sampled_from(self.known)) for _ in range(2))
        getattr(self, f"_{kind}")(f"f{k}", f"v{k}", a, b)
        self.known.append(f"v{k}")

    def _scan(self, f: str, v: str, a: str, b: str, more: str = "") -> None:
        self.function(f, "c, x, m, d", ["c", "x", "d"], "tanh({t}), {t} * x")
        self.lines += [f"{v}a, {v}b = scan({f}, {a}, X, M, {b}{more})", f"{v} = {v}a + sum({v}b, axis=0) / 9"]

    def _reverse(self, f: str, v: str, a: str, b: str) -> None:
        self._scan(f, v, a, b, ", reverse=True")

    def _counted(self, f: str, v: str, a: str, b: str) -> None:
        """Carried twice, nothing scanned: a sum that grows beside what is carried."""
        self.function(f, "c, s, m, d", ["c", "d"], "tanh({t}), s + {t} / 8, {t}")
        self.lines += [
            f"{v}a, {v}b, {v}c = scan({f}, {a}, {b}, M, {b}, carry=2, scanned=0, length=9)",
            f"{v} = {v}a + {v}b + {v}c[3]",
        ]

    def _nested(self, f: str, v: str, a: str, b: str) -> None:
        self.function(f + "i", "c, x, m", ["c", "x"], "tanh({t}), {t}")
        self.lines += [
            f"def {f}(c, x, m, X):",
            f"    c, y = scan({f}i, c, X, m)",
            "    return tanh(c + x), mean(y, axis=0)",
            f"{v}a, {v}b = scan({f}, {a}, X, M, X)",
            f"{v} = {v}a + mean({v}b, axis=0)",
        ]

    def _while(self, f: str, v: str, a: str, b: str) -> None:
        limit = self.draw(st.integers(0, 5))
        self.lines += [f"def {f}g(c, k, m, d):", f"    return k < {limit}.5"]
        self.function(f, "c, k, m, d", ["c", "d"], "tanh({t}), k + 1")
        self.lines.append(f"{v}, {v}k = while_loop({f}g, {f}, {a}, 0.0, M, {b}, carry=2, max_steps=7)")

    def _cond(self, f: str, v: str, a: str, b: str) -> None:
        self.function(f + "t", "a, b, m", ["a", "b"], "tanh({t})")
        self.function(f + "e", "a, b, m", ["a", "b"], "tanh({t})")
        self.lines.append(f"{v} = cond({f}t, {f}e, sum({a}) > 0.1, {a}, {b}, M)")

    def _map(self, f: str, v: str, a: str, b: str) -> None:
        self.function(f, "x, d, m", ["x", "d"], "tanh({t})")
        self.lines.append(f"{v} = mean(map({f}, X, {b}, M), axis=0) + {a}")

    def _checkpoint(self, f: str, v: str, a: str, b: str) -> None:
        self.function(f, "a, b, m", ["a", "b"], "tanh({t})")
        self.lines.append(f"{v} = checkpoint({f}, {a}, {b}, M)")

    def _custom(self, f: str, v: str, a: str, b: str) -> None:
        """The gradient written by hand, over another node: where the two agree, orders may be exchanged."""
        self.function(f, "a, b, m", ["a", "b"], "tanh({t})")
        self.lines += [
            f"def {f}g(a, b, m, y, g):",
            f"    return vjp({f}, a, b, m, g)",
            f"{v} = custom_gradient({f}, {f}g, {a}, {b}, M)",
        ]

    def _gradient(self, f: str, v: str, a: str, b: str) -> None:
        self.function(f, "a, b, m", ["a", "b"], "sum(sin({t}))")
        self.lines.append(f"{v} = tanh(gradient({f}, {a}, {b}, M, wrt=[0]))")

    def _jvp(self, f: str, v: str, a: str, b: str) -> None:
        self.function(f, "a, m", ["a"], "tanh({t})")
        self.lines.append(f"{v} = tanh(jvp({f}, {a}, M, {b}, M))")

    def _jacobian(self, f: str, v: str, a: str, b: str) -> None:
        """Of three elements forwards, of two in reverse, and of both at once."""
        answer = self.draw(st.sampled_from(("tanh({t})", "tanh({t})[:2]", "tanh({t})[:1], sum({t})")))
        self.function(f, "a, m", ["a"], answer)
        if "," in answer:
            self.lines += [
                f"{v}a, {v}b = jacobian({f}, {a}, M, wrt=[0])",
                f"{v} = tanh({v}a[0] * {b} + {v}b)",
            ]
        else:
            self.lines.append(f"{v} = tanh(sum(jacobian({f}, {a}, M, wrt=[0]), axis=0) * {b})")

    def _hessian(self, f: str, v: str, a: str, b: str) -> None:
        self.function(f, "a, b, m", ["a", "b"], "sum(sin({t}))")
        self.lines.append(f"{v} = tanh(hessian({f}, {a}, {b}, M, wrt=[0]) @ {b})")

    def _root(self, f: str, v: str, a: str, b: str) -> None:
        method = self.draw(st.sampled_from(("dense", "krylov")))
        self.function(f, "x, a, m", ["x", "a"], "2 * x + tanh({t}) / 8 - a")
        self.lines.append(f"{v} = root({f}, zeros_like({a}), {a}, M, method='{method}')")

    def _fixed(self, f: str, v: str, a: str, b: str) -> None:
        method = self.draw(st.sampled_from(("dense", "krylov")))
        self.function(f, "x, a, m", ["x", "a"], "tanh({t}) / 8 + a")
        self.lines.append(f"{v} = fixed_point({f}, zeros_like({a}), {a}, M, method='{method}')")


@st.composite
def controls(draw: Callable[..., Any], most: int = 3, kinds: tuple[str, ...] = BLOCKS) -> Controls:
    """A program of up to `most` blocks over random values."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps = draw(st.sampled_from((1, 3, 9, 17)))
    inputs = {
        "v": rng.uniform(-1, 1, 3), "M": rng.uniform(-1, 1, (3, 3)), "X": rng.uniform(-1, 1, (steps, 3)),
    }  # fmt: skip
    writer = _Writer(draw)
    blocks = tuple(draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=most)))
    for kind in blocks:
        writer.block(kind)
    terms = " + ".join(f"{k + 1}.5 * sin({name})" for k, name in enumerate(writer.known))
    writer.lines += [f"y = {terms}", "loss = sum(y * y) + sum(M * M) / 9 + sum(X) / 9"]
    return Controls("\n".join(writer.lines), blocks, inputs)


def jax_controls(jax: Any) -> dict[str, Any]:
    """The names that the programs use, in JAX, differentiable in reverse to any order."""
    jnp, lax = jax.numpy, jax.lax
    plain = (
        *("sin", "cos", "tanh", "exp", "sqrt", "sum", "mean", "max", "where", "cumsum", "outer", "stack"),
        *("concatenate", "zeros_like"),
    )

    def scan(
        f: Any, *xs: Any, carry: int = 1, scanned: int = 1, reverse: bool = False, length: Any = None
    ) -> Any:
        carried, walked, rest = xs[:carry], xs[carry : carry + scanned], xs[carry + scanned :]

        def step(c: Any, x: Any) -> Any:
            answers = f(*c, *(x or ()), *rest)
            return answers[:carry], answers[carry:]

        last, stacked = lax.scan(step, carried, walked or None, length, reverse=reverse)
        return (*last, *stacked)

    def while_loop(going: Any, f: Any, *xs: Any, carry: int, max_steps: int) -> Any:
        carried, rest = tuple(jnp.asarray(x) for x in xs[:carry]), xs[carry:]

        def step(c: Any, _: Any) -> Any:
            new, go = f(*c, *rest), going(*c, *rest)
            return tuple(jnp.where(go, n, o) for n, o in zip(new, c, strict=True)), None

        return lax.scan(step, carried, None, max_steps)[0]

    def custom_gradient(f: Any, g: Any, *xs: Any) -> Any:
        function = jax.custom_vjp(f)
        function.defvjp(lambda *xs: (f(*xs), xs), lambda saved, dy: tuple(g(*saved, f(*saved), dy)))
        return function(*xs)

    def root(f: Any, x: Any, *ps: Any, method: str) -> Any:
        for _ in range(12):
            x = x - jnp.linalg.solve(jax.jacrev(f)(x, *ps), f(x, *ps))
        return x

    def fixed_point(f: Any, x: Any, *ps: Any, method: str) -> Any:
        return root(lambda x, *ps: x - f(x, *ps), x, *ps, method=method)

    def vjp(f: Any, *xs: Any) -> Any:
        return jax.vjp(f, *xs[:-1])[1](xs[-1])

    def jvp(f: Any, *xs: Any) -> Any:
        """By two pullbacks: custom_vjp takes no tangents."""
        own, moves = xs[: len(xs) // 2], xs[len(xs) // 2 :]
        y, pull = jax.vjp(f, *own)
        return jax.vjp(pull, jnp.zeros_like(y))[1](moves)[0]

    return {
        **{name: getattr(jnp, name) for name in plain},
        "softmax": jax.nn.softmax,
        "scan": scan,
        "while_loop": while_loop,
        "cond": lambda then, other, holds, *xs: lax.cond(holds, then, other, *xs),
        "map": lambda f, *xs: jax.vmap(f, (0, *[None] * (len(xs) - 1)))(*xs),
        "checkpoint": lambda f, *xs: jax.checkpoint(f)(*xs),
        "custom_gradient": custom_gradient,
        "gradient": lambda f, *xs, wrt: jax.grad(f, wrt[0])(*xs),
        "jvp": jvp,
        "vjp": vjp,
        "jacobian": lambda f, *xs, wrt: jax.jacrev(f, wrt[0])(*xs),
        "hessian": lambda f, *xs, wrt: jax.jacrev(jax.grad(f, wrt[0]), wrt[0])(*xs),
        "root": root,
        "fixed_point": fixed_point,
    }


def run(program: Controls, inputs: Mapping[str, Any], functions: Mapping[str, Any]) -> dict[str, Any]:
    """Every name of the program, by a peer: the text is run as Python."""
    names = {**functions, **inputs}
    exec(program.text, names)
    return names

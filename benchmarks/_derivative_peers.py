"""The problems of `benchmarks.derivatives` in PyTorch and JAX, in float64 on the CPU.

Each answer is compared with ours before anything is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

Call = Callable[[], Any]


def contestants(name: str, values: dict[str, Any], ours: dict[str, Any]) -> dict[str, Call]:
    """The peers that are installed and have this question."""
    made: dict[str, Call] = {}
    if find_spec("torch"):
        made["PyTorch"] = _torch(name, values)
    if find_spec("jax"):
        made["JAX"] = _jax(name, values)
    for who, call in made.items():
        theirs = [np.asarray(a) for a in call()]
        for came, expected in zip(theirs, _answers(name, ours), strict=True):
            theirs_shaped = came.reshape(np.shape(expected))  # a sparse block has flattened sides
            np.testing.assert_allclose(
                theirs_shaped, expected, rtol=1e-6, atol=1e-8, err_msg=f"{who}: {name}"
            )
    return made


def _answers(name: str, ours: dict[str, Any]) -> list[Any]:
    kind = name.split()[1]
    if kind == "sparse-hessian":
        return [_dense(ours["hessian"]["x"]["x"])]
    if kind == "sparse-jacobian":  # as peers have it: residuals by tensors, flattened
        return [_dense(ours["jacobian"]["r"][key]) for key in ("cameras", "points")]
    if kind == "hvp":
        return [ours["hvp"]["x"]]
    if kind == "hessian":
        return [ours["hessian"]["x"]["x"]]
    if kind == "jacobian":
        return [ours["jacobian"]["r"][key] for key in ("cameras", "points")]
    return list(ours["gradients"].values())


def _dense(block: dict[str, Any]) -> Any:
    dense = np.zeros(block["shape"])
    dense[block["rows"], block["cols"]] = block["values"]
    return dense


def _rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def _rotated(m: Any, c: Any, p: Any, seen: Any) -> Any:
    """Residuals of bundle adjustment; `m` is torch or jax.numpy."""
    t = m.sqrt((c[:, :3] ** 2).sum(1) + 1e-12)[:, None]
    k = c[:, :3] / t
    cross = m.stack(
        [
            k[:, 1] * p[:, 2] - k[:, 2] * p[:, 1],
            k[:, 2] * p[:, 0] - k[:, 0] * p[:, 2],
            k[:, 0] * p[:, 1] - k[:, 1] * p[:, 0],
        ],
        1,
    )
    q = p * m.cos(t) + cross * m.sin(t) + k * (k * p).sum(1)[:, None] * (1 - m.cos(t)) + c[:, 3:6]
    return (c[:, 6:7] * (q[:, :2] / q[:, 2:]) - seen).reshape(-1)


def _torch(name: str, values: dict[str, Any]) -> Call:
    import torch

    given = {n: torch.from_numpy(np.ascontiguousarray(v)) for n, v in values.items()}
    case, kind = name.replace("sparse-", "").split()
    if case == "rosenbrock":
        x = given["x"]
        if kind == "gradient":
            return lambda: [torch.func.grad(_rosenbrock)(x)]
        if kind == "hessian":
            return lambda: [torch.func.hessian(_rosenbrock)(x)]
        v = torch.ones_like(x)

        def product() -> list[Any]:
            return [torch.func.jvp(torch.func.grad(_rosenbrock), (x,), (v,))[1]]

        return product
    if case == "newton":
        a = given["a"].clone().requires_grad_()
        return lambda: torch.autograd.grad(_torch_newton(a), [a])
    if case == "bundle":

        def residuals(cameras: Any, points: Any) -> Any:
            return _rotated(torch, cameras[given["camera"]], points[given["point"]], given["seen"])

        jacobian = torch.func.jacrev(residuals, argnums=(0, 1))
        return lambda: jacobian(given["cameras"], given["points"])

    def lstm(W: Any, U: Any, b: Any) -> Any:
        h, c, hs = given["h0"], given["c0"], []
        for x in given["xs"]:
            i, f, o, g = (x @ W + h @ U + b).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            hs.append(h)
        return (torch.stack(hs) ** 2).mean()

    weights = [given[n].clone().requires_grad_() for n in ("W", "U", "b")]
    return lambda: torch.autograd.grad(lstm(*weights), weights)


def _torch_newton(a: Any) -> Any:
    x = a * 0 + 1
    while float((x**3 - a).detach().abs().max()) > 1e-9:
        x = x - (x**3 - a) / (3 * x**2)
    return x.sum()


def _jax(name: str, values: dict[str, Any]) -> Call:
    jax: Any = import_module("jax")
    jnp: Any = import_module("jax.numpy")
    jax.config.update("jax_enable_x64", True)
    given = {n: jnp.asarray(v) for n, v in values.items()}
    case, kind = name.replace("sparse-", "").split()

    def ready(function: Any, *arguments: Any) -> Call:
        compiled = jax.jit(function)
        return lambda: jax.tree.leaves(jax.block_until_ready(compiled(*arguments)))

    if case == "rosenbrock":
        if kind == "hvp":
            v = jnp.ones_like(given["x"])
            return ready(lambda x, v: jax.jvp(jax.grad(_rosenbrock), (x,), (v,))[1], given["x"], v)
        return ready((jax.grad if kind == "gradient" else jax.hessian)(_rosenbrock), given["x"])
    if case == "newton":  # JAX has no reverse through while_loop: a scan of as many steps as are needed
        steps = int(_needed(values["a"]))

        def newton(a: Any) -> Any:
            def step(x: Any, _: Any) -> Any:
                return x - (x**3 - a) / (3 * x**2), None

            return jax.lax.scan(step, jnp.ones_like(a), None, steps)[0].sum()

        return ready(jax.grad(newton), given["a"])
    if case == "bundle":

        def residuals(cameras: Any, points: Any) -> Any:
            return _rotated(jnp, cameras[given["camera"]], points[given["point"]], given["seen"])

        return ready(jax.jacrev(residuals, argnums=(0, 1)), given["cameras"], given["points"])

    def lstm(W: Any, U: Any, b: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            h, c = carry
            i, f, o, g = jnp.split(x @ W + h @ U + b, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        return (jax.lax.scan(step, (given["h0"], given["c0"]), given["xs"])[1] ** 2).mean()

    return ready(jax.grad(lstm, (0, 1, 2)), *(given[n] for n in ("W", "U", "b")))


def _needed(a: Any) -> int:
    x, steps = np.ones_like(a), 0
    while np.abs(x**3 - a).max() > 1e-9:
        x = x - (x**3 - a) / (3 * x**2)
        steps += 1
    return steps

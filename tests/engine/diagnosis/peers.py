"""What PyTorch, JAX and TensorFlow return for the cases of the catalogue, in one word each.

The programs are run as Python over each library's functions. Answers are kept in peers.json, with the
versions that gave them; `python -m tests.engine.diagnosis.peers` writes it anew, and tests marked `oracle`
compare.
TensorFlow takes 1.3 GB and is no dependency of the project: `pip install tensorflow-cpu` before recording.
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tests.engine.diagnosis.asking import arrays_of
from tests.engine.diagnosis.case import Case
from tests.engine.diagnosis.catalogue import CASES

RECORDED = Path(__file__).with_name("peers.json")


def run(case: Case, names: Mapping[str, Any], inputs: Mapping[str, Any]) -> Any:
    """The target of a case's program as a peer computes it."""
    *lines, last = case.program.split("\n")
    namespace = {**names, **inputs}
    if case.target is None:
        exec("\n".join([*lines, f"target_ = {last}"]), namespace)
        return namespace["target_"]
    exec(case.program, namespace)
    return namespace[case.target]


def word(gradient: np.ndarray) -> str:
    """NaN, infinite, zeros or numbers."""
    if np.isnan(gradient).any():
        return "NaN"
    if np.isinf(gradient).any():
        return "infinite"
    return "numbers" if gradient.any() else "zeros"


def python_scan(stack: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    """A scan as a Python loop."""

    def scan(f: Any, carry: Any, xs: Any, *constants: Any) -> tuple[Any, Any]:
        rows = []
        for row in xs:
            carry, answer = f(carry, row, *constants)
            rows.append(answer)
        return carry, stack(rows)

    return scan


def python_while(condition: Any, f: Any, carry: Any, *constants: Any, max_steps: int) -> Any:
    """A while loop as a Python loop."""
    while bool(condition(carry, *constants)):
        carry = f(carry, *constants)
    return carry


# -- PyTorch -----------------------------------------------------------------------------------------


def torch_answer(case: Case) -> str:
    """`None`, `error`, or a word for the numbers."""
    import torch
    import torch.utils.checkpoint

    names = _torch_names(torch)
    try:
        inputs = _torch_inputs(torch, case)
        target = run(case, names, inputs)
        (gradient,) = torch.autograd.grad(target, [inputs[case.name]], allow_unused=True)
    except (RuntimeError, TypeError, AttributeError):
        return "error"
    return "None" if gradient is None else word(gradient.numpy())


def torch_anomaly(case: Case) -> str | None:
    """The function that PyTorch's anomaly mode names, if any."""
    import torch

    inputs = _torch_inputs(torch, case)
    variable = inputs[case.name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with torch.autograd.detect_anomaly():
                torch.autograd.grad(run(case, _torch_names(torch), inputs), [variable], allow_unused=True)
        except (RuntimeError, TypeError, AttributeError) as error:
            name = str(error).partition("Function '")[2].partition("'")[0]
            return name or None
    return None


def _torch_inputs(torch: Any, case: Case) -> dict[str, Any]:
    """Tensors, all of those that can requiring a gradient."""
    arrays = arrays_of(case.inputs, case.dtype)
    return {name: torch.tensor(a, requires_grad=a.dtype.kind == "f") for name, a in arrays.items()}


def _torch_names(torch: Any) -> dict[str, Any]:
    direct = (
        "sum mean max any where round floor sign log sqrt exp sigmoid relu clip maximum prod tanh erf cos "
        "sin acos abs isfinite zeros_like argmax argsort"
    )
    names = {name: getattr(torch, name) for name in direct.split()}
    return names | {
        "stop_gradient": lambda x: x.detach(),
        "astype": lambda x, dtype: x.to(getattr(torch, dtype)),
        "equal": torch.eq,
        "size": lambda x: x.numel(),
        "softmax": lambda x: torch.softmax(x, -1),
        "cbrt": lambda x: torch.sign(x) * torch.abs(x) ** (1 / 3),
        "concat": lambda *xs: torch.cat(xs),
        "triu": lambda x, k: torch.triu(x, diagonal=k),
        "norm": torch.linalg.vector_norm,
        "std": lambda x: torch.std(x, correction=0),
        "inv": torch.linalg.inv,
        "silu": torch.nn.functional.silu,
        "nan": float("nan"),
        "scan": python_scan(torch.stack),
        "while_loop": python_while,
        "cond": lambda f, g, choice, *xs: f(*xs) if bool(choice) else g(*xs),
        "checkpoint": lambda f, *xs: torch.utils.checkpoint.checkpoint(f, *xs, use_reentrant=False),
    }


# -- JAX ---------------------------------------------------------------------------------------------


def jax_answer(case: Case) -> str:
    """`error`, or a word for the numbers."""
    import jax

    jax.config.update("jax_enable_x64", True)
    arrays = {name: jax.numpy.asarray(array) for name, array in arrays_of(case.inputs, case.dtype).items()}

    def target(x: Any) -> Any:
        return run(case, _jax_names(jax), {**arrays, case.name: x})

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return word(np.asarray(jax.grad(target)(arrays[case.name])))
        except (TypeError, AttributeError, ValueError):
            return "error"


def _jax_names(jax: Any) -> dict[str, Any]:
    jnp = jax.numpy
    direct = (
        "sum mean max any where round floor sign equal log sqrt exp clip maximum prod tanh triu cos sin abs "
        "isfinite zeros_like argmax argsort cbrt acos std size nan"
    )
    names = {name: getattr(jnp, name) for name in direct.split()}
    return names | {
        "stop_gradient": jax.lax.stop_gradient,
        "astype": lambda x, dtype: x.astype(dtype),
        "softmax": jax.nn.softmax,
        "sigmoid": jax.nn.sigmoid,
        "relu": jax.nn.relu,
        "erf": jax.scipy.special.erf,
        "concat": lambda *xs: jnp.concatenate(xs),
        "norm": jnp.linalg.norm,
        "inv": jnp.linalg.inv,
        "silu": jax.nn.silu,
        "scan": lambda f, init, xs, *more: jax.lax.scan(lambda c, x: f(c, x, *more), jnp.asarray(init), xs),
        "while_loop": lambda go, f, init, *more, max_steps: jax.lax.while_loop(
            lambda c: go(c, *more), lambda c: f(c, *more), jnp.asarray(init)
        ),
        "cond": lambda f, g, choice, *xs: jax.lax.cond(choice, f, g, *xs),
        "checkpoint": lambda f, *xs: jax.checkpoint(f)(*xs),
    }


# -- TensorFlow --------------------------------------------------------------------------------------


def tensorflow_answers() -> dict[str, str]:
    """Every case's answer of a GradientTape, or nothing where TensorFlow is not installed.

    Asked in a process of its own: TensorFlow writes to the terminal, and its NumPy behaviour is a switch
    for the whole process.
    """
    if find_spec("tensorflow") is None:
        return {}
    command = [sys.executable, "-m", "tests.engine.diagnosis.tensorflow_peer"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=RECORDED.parents[3])
    answers: dict[str, str] = json.loads(told.stdout.splitlines()[-1])
    return answers


def answers() -> dict[str, dict[str, str | None]]:
    """Every case's answers by title."""
    peers: dict[str, Callable[[Case], str | None]] = {
        "PyTorch": torch_answer,
        "anomaly": torch_anomaly,
        "JAX": jax_answer,
    }
    taken = tensorflow_answers()
    return {
        case.title: {**{peer: ask(case) for peer, ask in peers.items()}, "TensorFlow": taken[case.title]}
        for case in CASES
    }


def versions() -> dict[str, str]:
    """Whose answers they are."""
    found = {"PyTorch": version("torch"), "JAX": version("jax"), "TensorFlow": version("tensorflow-cpu")}
    return {peer: number.partition("+")[0] for peer, number in found.items()}


def kept() -> dict[str, Any]:
    """What was recorded: `versions`, and `answers` by title."""
    told: dict[str, Any] = json.loads(RECORDED.read_text())
    return told


def recorded() -> dict[str, dict[str, str | None]]:
    """The answers as they were kept."""
    answers: dict[str, dict[str, str | None]] = kept()["answers"]
    return answers


if __name__ == "__main__":
    told = {"versions": versions(), "answers": answers()}
    RECORDED.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")

"""What PyTorch and JAX answer to the cases of the catalogue, in one word each.

The programs are run as Python over each library's functions. TensorFlow is not among the peers: it is not
installed where this was built. Answers are kept in peers.json; python -m tests.engine.diagnosis.peers writes
it anew, and a test marked `oracle` compares.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.engine.diagnosis.asking import arrays_of
from tests.engine.diagnosis.catalogue import CASES, Case

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


# -- PyTorch -----------------------------------------------------------------------------------------


def torch_answer(case: Case) -> str:
    """`None`, `error`, or a word for the numbers."""
    import torch

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
        "sin acos abs isfinite zeros_like argmax"
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
        "nan": float("nan"),
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
        except (TypeError, AttributeError):
            return "error"


def _jax_names(jax: Any) -> dict[str, Any]:
    jnp = jax.numpy
    direct = (
        "sum mean max any where round floor sign equal log sqrt exp clip maximum prod tanh triu cos sin abs "
        "isfinite zeros_like argmax cbrt acos std size nan"
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
    }


def answers() -> dict[str, dict[str, str | None]]:
    """Every case's answers by title."""
    peers: dict[str, Callable[[Case], str | None]] = {
        "PyTorch": torch_answer,
        "anomaly": torch_anomaly,
        "JAX": jax_answer,
    }
    return {case.title: {peer: ask(case) for peer, ask in peers.items()} for case in CASES}


def recorded() -> dict[str, dict[str, str | None]]:
    """The answers as they were kept."""
    kept: dict[str, dict[str, str | None]] = json.loads(RECORDED.read_text())
    return kept


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(answers(), indent=1, ensure_ascii=False) + "\n")

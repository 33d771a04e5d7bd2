"""PyTorch's side of `derive`, for tests that compare the two."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.engine.derive import derive, weights


@dataclass(frozen=True)
class Case:
    """A peer, called with the module `torch` and tensors; inputs; our attributes."""

    peer: Callable[..., Any]
    inputs: tuple[Any, ...]
    attributes: dict[str, Any] = field(default_factory=dict)


def named(names: str, *inputs: Any) -> dict[str, Case]:
    """Ops whose peer `torch.NAME` goes by the same name, or `OURS=THEIRS` with a path below torch."""
    cases = {}
    for entry in names.split():
        ours, _, theirs = entry.partition("=")
        cases[ours] = Case(lambda torch, *xs, path=theirs or ours: _resolve(torch, path)(*xs), inputs)
    return cases


def _resolve(torch: Any, path: str) -> Any:
    for part in path.split("."):
        torch = getattr(torch, part)
    return torch


def op_of(key: str) -> str:
    """The op of a case called `OP remark`."""
    return key.partition(" ")[0]


def compared(torch: Any, name: str, case: Case) -> Iterator[tuple[str, Any, Any]]:
    """(quantity, our array, PyTorch's) for the value and for both derivatives by each floating input."""
    ours = derive(name, *case.inputs, **case.attributes)
    theirs = _derive_by(torch, case)
    for quantity, mine, other in (
        ("value", [ours.value], [theirs[0]]),
        ("first", ours.first, theirs[1]),
        ("second", ours.second, theirs[2]),
    ):
        for a, b in zip(mine, other, strict=True):
            if a is None and b is None:
                continue
            # a gradient that does not exist counts as zero
            peer = np.zeros_like(a) if b is None else b.detach().resolve_conj().numpy(force=True)
            yield quantity, (np.zeros_like(peer) if a is None else a), peer


def differing(torch: Any, key: str, case: Case, *, atol: float) -> set[tuple[str, str]]:
    """(quantity, point) where an op on elements and its peer have other numbers."""
    points = list(zip(*case.inputs, strict=True)) if len(case.inputs) > 1 else case.inputs[0]
    return {
        (quantity, repr(points[i]))
        for quantity, mine, other in compared(torch, op_of(key), case)
        for i in np.flatnonzero(~np.isclose(mine, other, rtol=1e-9, atol=atol, equal_nan=True))
    }


def _derive_by(torch: Any, case: Case) -> tuple[Any, list[Any], list[Any]]:
    xs = [torch.tensor(np.asarray(v), requires_grad=np.asarray(v).dtype.kind in "fc") for v in case.inputs]
    wrt = [x for x in xs if x.requires_grad]
    y = case.peer(torch, *xs)
    first, second = [None] * len(wrt), [None] * len(wrt)
    if y.requires_grad:
        first = torch.autograd.grad(y, wrt, _cotangent(torch, y), create_graph=True, allow_unused=True)
        terms = [
            torch.sum(g * _cotangent(torch, g, i + 1.0).conj()).real
            for i, g in enumerate(first)
            if g is not None and g.requires_grad
        ]
        if terms and sum(terms).requires_grad:
            second = torch.autograd.grad(sum(terms), wrt, allow_unused=True)
    return y, list(first), list(second)


def _cotangent(torch: Any, like: Any, phase: float = 0.0) -> Any:
    return torch.tensor(weights(tuple(like.shape), phase, turned=like.is_complex()))

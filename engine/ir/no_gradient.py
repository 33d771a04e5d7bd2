"""Edges that carry no gradient, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class NoGradient:
    """An edge that carries no gradient, and why.

    `kind` is what the walk does: pass nothing (`nondifferentiable`, `stop`) or refuse
    (`not_implemented`). `reason` goes on the wire in a diagnosis; `why` is for people, and `cure` says
    what to write instead. If the cut is `covered`, another edge carries the derivative and nothing is lost.
    """

    kind: Literal["nondifferentiable", "stop", "not_implemented"]
    reason: str
    why: str
    cure: str = ""
    covered: bool = False


def nondifferentiable(why: str, *, reason: str = "nondifferentiable", cure: str = "") -> NoGradient:
    """An edge whose derivative is zero wherever it exists, such as that of `round`."""
    return NoGradient("nondifferentiable", reason, why, cure)


def stop(why: str) -> NoGradient:
    """An edge that the user cut on purpose."""
    return NoGradient("stop", "stop_gradient", why)


def not_implemented(why: str) -> NoGradient:
    """An edge whose derivative exists but is not written yet."""
    return NoGradient("not_implemented", "not_implemented", why)

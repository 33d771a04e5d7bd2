"""Matrices of derivatives that are zero because of ops that are flat, or straight, piece by piece."""

from __future__ import annotations

from gradwire._notices import warn
from gradwire._tracing.node import Lowered, Op
from gradwire.errors import GradientWarning

#: Ops without a slope.
_FLAT = {
    *("argmax", "argmin", "argsort", "ceil", "equal", "floor", "floor_divide", "greater", "greater_equal"),
    *("less", "less_equal", "not_equal", "one_hot", "rint", "round", "sign", "trunc", "stop_gradient"),
}
#: Ops that are straight lines between their corners, and what to write in place of one.
_STRAIGHT = {
    "relu": "gw.softplus(x)",
    "leaky_relu": "gw.elu(x)",
    "abs": "gw.sqrt(x ** 2 + 1e-6)",
    "maximum": "gw.logaddexp(a, b)",
    "minimum": "-gw.logaddexp(-a, -b)",
    "max": "gw.logsumexp(x)",
    "min": "-gw.logsumexp(-x)",
    "clip": "gw.tanh(x)",
    "hinge": "gw.softplus(1 - y * x)",
    "mean_absolute_error": "gw.mean_squared_error(y, p)",
    "median": "gw.mean(x)",
    "sort": None,
    "where": None,
}


def advise_zeros(what: str, name: str, lowered: Lowered) -> None:
    """Warn of a Hessian or Jacobian that is zero throughout, if an op on the way makes it so.

    Of a function that is linear as a whole a Hessian of zeros is right, and nothing is said.
    """
    ops = [(item.op, item.node.place) for item in lowered.items if item.op and isinstance(item.node, Op)]
    flat = next(((op, place) for op, place in ops if op in _FLAT), None)
    straight = next(((op, place) for op, place in ops if op in _STRAIGHT), None)
    if flat is not None:
        op, place = flat
        why, cure = f"{op} has no slope", "; compute with the value before it, or with a soft form of it"
    elif straight is not None and what == "Hessian":
        op, place = straight
        soft = _STRAIGHT[op]
        why = f"{op} is made of straight lines, whose second derivative is 0 wherever it exists"
        cure = f"; for curvature take a smooth one, such as {soft}" if soft else "; take a smooth function"
        cure += ", or the Gauss-Newton product of residuals, gw.gnvp"
    else:
        return
    at = f" At {place}." if place else ""
    warn(
        GradientWarning,
        f"the {what} by '{name}' is zero throughout: {why}{cure}.{at}",
        (what, name, op, str(place)),
    )

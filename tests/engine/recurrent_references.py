"""Recurrent cells and their sequences as their definitions say them, in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.engine.window_references import Reference


def _sigmoid(z: Any) -> Any:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def _rnn(step: Reference, states: int, sequence: bool) -> Reference:
    def rnn(x: Any, *arguments: Any, reverse: bool = False, **settings: Any) -> Any:
        first, weights = arguments[:states], arguments[states:]
        units = weights[1].shape[0]
        lead = x.shape[:-2] if sequence else x.shape[:-1]
        now = [np.broadcast_to(s, (*lead, units)).astype(x.dtype) for s in first]
        if not sequence:
            return step(x, now, *weights, **settings)
        order = range(x.shape[-2])
        found: dict[int, Any] = {}
        for t in reversed(order) if reverse else order:
            now = step(x[..., t, :], now, *weights, **settings)
            found[t] = now[0]
        return [np.stack([found[t] for t in order], -2), *now]

    return rnn


def _simple_step(x: Any, now: Any, w: Any, u: Any, b: Any, *, activation: str) -> Any:
    z = x @ w + b + now[0] @ u
    return [np.tanh(z) if activation == "tanh" else np.maximum(z, 0)]


def _lstm_step(x: Any, now: Any, w: Any, u: Any, b: Any) -> Any:
    i, f, g, o = np.split(x @ w + b + now[0] @ u, 4, -1)
    c = _sigmoid(f) * now[1] + _sigmoid(i) * np.tanh(g)
    return [_sigmoid(o) * np.tanh(c), c]


def _gru_step(x: Any, now: Any, w: Any, u: Any, b: Any, *, reset_after: bool) -> Any:
    (h,) = now
    own, back_bias = (b[0], b[1]) if reset_after else (b, np.zeros_like(b))
    xz, xr, xn = np.split(x @ w + own, 3, -1)
    hz, hr, hn = np.split(h @ u + back_bias, 3, -1)
    z, r = _sigmoid(xz + hz), _sigmoid(xr + hr)
    n = np.tanh(xn + (r * hn if reset_after else (r * h) @ np.split(u, 3, -1)[2]))
    return [z * h + (1 - z) * n]


_STEPS = {"simple_rnn": (_simple_step, 1), "lstm": (_lstm_step, 2), "gru": (_gru_step, 1)}

RECURRENT: Mapping[str, Reference] = {
    **{f"{name}_cell": _rnn(step, states, False) for name, (step, states) in _STEPS.items()},
    **{name: _rnn(step, states, True) for name, (step, states) in _STEPS.items()},
}

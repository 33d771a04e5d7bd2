"""Ops whose option is a number, called with a tensor for it: the same as a formula of tensors.

A key is the op's call with the options that may be tensors, by their own names; rows are tried in turn.
"""

from typing import Final

FORMULAS: Final = {
    "linspace(start, stop, num=50)": "start + (stop - start) * linspace(0, 1, num)",
    "linspace(start, stop, num, endpoint)": "start + (stop - start) * linspace(0, 1, num, endpoint=endpoint)",
    "clip(x, min, max)": "minimum(maximum(x, min), max)",
    "clip(x, min)": "maximum(x, min)",
    "clip(x, max)": "minimum(x, max)",
    "full(shape, fill_value)": "fill_value * ones(shape)",
    "full_like(x, fill_value)": "fill_value * ones_like(x)",
    "leaky_relu(x, alpha)": "where(x > 0, x, alpha * x)",
    "elu(x, alpha)": "where(x > 0, x, alpha * expm1(minimum(x, 0)))",
    "celu(x, alpha)": "where(x > 0, x, alpha * expm1(minimum(x, 0) / alpha))",
    "norm(x, ord)": "sum(abs(x) ** ord) ** (1 / ord)",
    "huber(y_true, y_pred, delta)": "mean(where(abs(y_pred - y_true) <= delta, (y_pred - y_true) ** 2 / 2,"
    " delta * (abs(y_pred - y_true) - delta / 2)))",
}

#: What is so of options that no formula stands in for.
NOTES: Final = {
    "arange": "how many numbers there are would depend on the data: fix the number, and compute the rest, as "
    "in `{start} + {step} * arange(100)`",
    "quantile": "which part it is has to be known before: a number, such as 0.9",
}

"""gmm: the log posterior of a mixture of Gaussians, with a Wishart prior on the precision matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import multigammaln

from benchmarks._gradbench.functions import Arrays, Json, Prepared, compiled, floats, value_of

#: `places` says which element of `l`, after a zero, stands where in the lower triangles. A point is
#: multiplied by all triangles at once, n × d by k × d × d.
POSTERIOR = """
scales = exp(q)
lower = concat([zeros([{k}, 1]), l], axis=1)[:, places]
triangles = lower + scales[:, :, None] * eye({d})
centred = x @ matrix_transpose(triangles) - sum(triangles * mu[:, None, :], axis=2)[:, None, :]
sums = sum(q, axis=1)
inner = (alpha + sums)[:, None] - 0.5 * sum(centred ** 2, axis=2)
likelihood = sum(logsumexp(inner, axis=0)) - {n} * logsumexp(alpha)
prior = 0.5 * gamma ** 2 * (sum(scales ** 2) + sum(l ** 2)) - m * sum(sums)
loss = constant + likelihood - prior
"""
BY = ("alpha", "mu", "q", "l")


def prepare(given: Json) -> tuple[str, Arrays]:
    """The program for the sizes, and its inputs."""
    d, k, n, m, gamma = (given[name] for name in ("d", "k", "n", "m", "gamma"))
    places = np.zeros((d, d), np.int64)
    columns, rows = np.triu_indices(d, 1)  # `l` has one column of the triangle after the other
    places[rows, columns] = 1 + np.arange(rows.size)
    freedom = d + m + 1
    wishart = freedom * d * math.log(gamma / math.sqrt(2)) - float(multigammaln(0.5 * freedom, d))
    values: Arrays = {name: floats(given[name]) for name in ("x", *BY)}
    values["l"] = values["l"].reshape(k, -1)
    values |= {"gamma": floats(gamma), "m": floats(m), "places": places}
    values["constant"] = floats(k * wishart - n * d * 0.5 * math.log(2 * math.pi))
    return POSTERIOR.format(d=d, k=k, n=n), values


def objective(given: Json) -> Prepared:
    """The log posterior."""
    return value_of(*prepare(given))


def jacobian(given: Json) -> Prepared:
    """Its gradient by the parameters of weights, means and precisions."""
    program, values = prepare(given)
    call = compiled("gradient", program, values, targets=("loss",), wrt=BY)

    def write(found: Any) -> Any:
        return {name: found["gradients"][name].tolist() for name in BY}

    return Prepared(call, write)


FUNCTIONS = {"objective": objective, "jacobian": jacobian}

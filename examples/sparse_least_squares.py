"""Where are the sensors? Positions from distances between neighbours, by Gauss-Newton with a sparse Jacobian.

Each distance hangs on two of 400 sensors, so of 2,000 by 800 entries of the Jacobian only 8,000 are there.
The server sees that from the indices `a` and `b`, which come with the request, and takes a few products in
place of 800; `coo` is what SciPy makes its matrix of.
"""

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import lsqr

import gradwire as gw


def distances(where, a, b):
    """How far apart the sensors `a` and `b` are, pair by pair."""
    return gw.sqrt(gw.sum((where[a] - where[b]) ** 2, axis=1))


rng = np.random.default_rng(0)
truth = rng.uniform(0, 10, (400, 2))
apart = np.linalg.norm(truth[:, None] - truth, axis=2) + 1e9 * np.tri(400)
nearest = np.argsort(apart, axis=None)[:2000]
a, b = nearest // 400, nearest % 400
measured = apart[a, b]

anchors = scipy.sparse.eye_array(40, 800)  # twenty sensors whose places are known
where = truth + rng.normal(0, 0.05, truth.shape)
where[:20] = truth[:20]
jacobian = gw.jacobian(distances, sparse=True)
for step in range(6):
    block = jacobian(where, a, b)
    slopes = scipy.sparse.coo_array(block.coo, shape=block.shape)
    residuals = distances(where, a, b).numpy() - measured
    there = f"{block.values.size:,} of {np.prod(block.shape):,} entries"
    print(f"step {step}: {there}, misfit {np.abs(residuals).max():.1e}")
    system = scipy.sparse.vstack([slopes, 1e3 * anchors])
    move = lsqr(system, np.concatenate([-residuals, np.zeros(40)]), damp=1e-6)[0]
    where = where + move.reshape(400, 2)

print(f"misfit at the end = {np.abs(distances(where, a, b).numpy() - measured).max():.1e}")

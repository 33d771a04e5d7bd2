"""SciPy's optimiser on a function that lives on the server: Rosenbrock's valley in ten dimensions.

`value_and_grad` sends one request a call; the graph travels once and is then called by its hash.
"""

import numpy as np
from scipy.optimize import minimize

import gradwire as gw


@gw.value_and_grad
def rosenbrock(x):
    """The sum over neighbours of 100 (x[i+1] - x[i]²)² + (1 - x[i])², smallest (0) where all are 1."""
    return gw.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


found = minimize(rosenbrock, np.zeros(10), jac=True, method="BFGS", options={"gtol": 1e-6})

print(f"{found.message} {found.nfev} requests, value {found.fun:.1e}")
print("x =", np.round(found.x, 6).tolist())

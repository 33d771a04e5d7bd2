"""Gradwire's Python SDK: gradients, and the reason where there is none, from a Gradwire server.

Traced values only record; reading one, or asking a tape for gradients, sends one request. Names are
NumPy's and TensorFlow's side by side: every op of the server is here under its canonical name and its
aliases, and `keras` holds what models are made of and trained with.
"""

import numpy as _np

from gradwire import (
    _ops,
    callbacks,
    errors,
    initializers,
    keras,
    layers,
    losses,
    math,
    metrics,
    models,
    nn,
    optimizers,
    random,
)
from gradwire._by_hand import (
    broadcast_arrays,
    index_add,
    index_set,
    index_update,
    meshgrid,
    split,
    unbind,
    unstack,
)
from gradwire._default import default_client, set_default_client
from gradwire._flow import Retry
from gradwire._ops import *  # noqa: F403  # __all__ of the generated module says which
from gradwire._version import __version__
from gradwire.batching import vmap
from gradwire.client import AsyncClient, Client
from gradwire.control import checkpoint, cond, map, scan, while_loop
from gradwire.custom import custom_gradient
from gradwire.datasets import Column, Dataset
from gradwire.directional import gnvp, hvp, jvp, vjp
from gradwire.errors import GradwireError, ProblemError
from gradwire.functional import grad, value_and_grad
from gradwire.graphs import PublishedGraph
from gradwire.implicit import fixed_point, root
from gradwire.jobs import Job
from gradwire.matrices import hessian, jacobian
from gradwire.models import AsyncSequential, Sequential
from gradwire.published import PublishedFunction, function
from gradwire.results import (
    Check,
    Finding,
    GaussNewtonProduct,
    Gradients,
    Hessian,
    HessianProduct,
    Jacobian,
    Pullback,
    Pushforward,
    Report,
    Sparse,
)
from gradwire.tape import GradientTape
from gradwire.tensor import Tensor, constant, convert_to_tensor, ones, zeros
from gradwire.variable import Variable

bool_ = _np.bool_
int32, int64 = _np.int32, _np.int64
float16, float32, float64 = _np.float16, _np.float32, _np.float64
complex64, complex128 = _np.complex64, _np.complex128

__all__ = [
    # connections
    "Client",
    "AsyncClient",
    "Retry",
    "default_client",
    "set_default_client",
    # values
    "Variable",
    "Tensor",
    "constant",
    "convert_to_tensor",
    "zeros",
    "ones",
    "random",
    "bool_",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
    # derivatives
    "GradientTape",
    "grad",
    "value_and_grad",
    "jvp",
    "vjp",
    "jacobian",
    "hessian",
    "hvp",
    "gnvp",
    "vmap",
    "custom_gradient",
    "function",
    "PublishedFunction",
    "PublishedGraph",
    # functions inside graphs
    "scan",
    "while_loop",
    "cond",
    "map",
    "checkpoint",
    "root",
    "fixed_point",
    # answers
    "Gradients",
    "Pullback",
    "Pushforward",
    "Jacobian",
    "Hessian",
    "HessianProduct",
    "GaussNewtonProduct",
    "Sparse",
    "Check",
    "Report",
    "Finding",
    "GradwireError",
    "ProblemError",
    "errors",
    # training
    "Sequential",
    "AsyncSequential",
    "Job",
    "Dataset",
    "Column",
    "layers",
    "models",
    "callbacks",
    "initializers",
    "optimizers",
    "losses",
    "metrics",
    "keras",
    # ops
    "nn",
    "math",
    "broadcast_arrays",
    "index_add",
    "index_set",
    "index_update",
    "meshgrid",
    "split",
    "unbind",
    "unstack",
    "__version__",
]
__all__ += _ops.__all__

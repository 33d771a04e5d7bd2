"""Gradwire's Python SDK: gradients, and the reason where there is none, from a Gradwire server.

Traced values only record; reading one, or asking a tape for gradients, sends one request. Names are
NumPy's and TensorFlow's side by side: every op of the server is here under its canonical name and its
aliases, and `keras` holds what models are made of and trained with.
"""

import sys as _sys
from typing import TYPE_CHECKING as _TYPE_CHECKING

import numpy as _np

from gradwire import errors, keras, math, nn, random
from gradwire._client.client import AsyncClient, Client, default_client, set_default_client
from gradwire._client.datasets import Column, Dataset
from gradwire._client.graphs import PublishedGraph
from gradwire._client.jobs import Job
from gradwire._names.absent_modules import install as _refuse_absent_modules
from gradwire._names.counterparts import PACKAGE as _PACKAGE
from gradwire._names.missing import INSTEAD as _INSTEAD
from gradwire._names.refusals import names_of as _names_of
from gradwire._tracing import ops as _ops
from gradwire._tracing.extra_ops import (
    broadcast_arrays,
    index_add,
    index_set,
    index_update,
    meshgrid,
    split,
    unbind,
    unstack,
)
from gradwire._tracing.ops import *  # noqa: F403  # __all__ of the generated module says which
from gradwire._tracing.respelling import respell as _respell
from gradwire._tracing.tensor import Tensor, constant, convert_to_tensor, ones, zeros
from gradwire._tracing.variable import Variable
from gradwire._transport.flow import Retry
from gradwire._version import __version__
from gradwire.autodiff.control import checkpoint, cond, map, scan, while_loop
from gradwire.autodiff.custom_gradient import custom_gradient
from gradwire.autodiff.directional import gnvp, hvp, jvp, vjp
from gradwire.autodiff.explanation import explain
from gradwire.autodiff.functional import grad, value_and_grad
from gradwire.autodiff.implicit import fixed_point, root
from gradwire.autodiff.matrices import hessian, jacobian
from gradwire.autodiff.published import PublishedFunction, function
from gradwire.autodiff.tape import GradientTape
from gradwire.autodiff.vmap import vmap
from gradwire.errors import GradwireError, ProblemError
from gradwire.keras import callbacks, initializers, layers, losses, metrics, models, optimizers
from gradwire.keras.models import AsyncSequential, Sequential
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

bool_ = _np.bool_
int32, int64 = _np.int32, _np.int64
float16, float32, float64 = _np.float16, _np.float32, _np.float64
complex64, complex128 = _np.complex64, _np.complex128

for _module in (callbacks, initializers, layers, losses, metrics, models, optimizers):
    # Keras's modules stand at the top too: `from gradwire.layers import Dense`
    _sys.modules[f"{__name__}.{_module.__name__.rpartition('.')[2]}"] = _module

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
    "explain",
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

_respell(globals())
_refuse_absent_modules()

if not _TYPE_CHECKING:  # else every name would have a type
    __getattr__ = _names_of(__name__, globals(), _PACKAGE, _INSTEAD)

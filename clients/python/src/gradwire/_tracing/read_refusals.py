"""What is wrong with reading a value, and what to write instead of the line that reads it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from types import FrameType

from gradwire._locations import place_at, user_frames
from gradwire._tracing.scopes import Scope
from gradwire._tracing.syntax import expression
from gradwire.errors import ReadError


def refusal(scope: Scope, name: str, how: str, *, branch: bool) -> ReadError:
    """The error of reading, by `how`, what depends on the argument `name` of a function that is traced."""
    frames = user_frames()
    place = place_at(frames[0]) if frames else None
    what = f"{how} reads a value that depends on '{name}', an argument of '{scope.label}'"
    if not scope.values:
        cure = "choose with gradwire.where or gradwire.cond" if branch else _cure(frames)
        text = f"{what}, which is traced once for all values and so has none to read; {cure}"
    else:
        text = (
            f"{what}, and what is computed from it would be a constant to gradwire.{scope.by}, without a "
            f"gradient; {_cure(frames)}. If a constant is meant, read gradwire.stop_gradient(tensor), or "
            f"give allow_reads=True to gradwire.{scope.by}"
        )
    return ReadError(f"{text}\n  at {place}" if place else text, place=place)


#: What makes arrays of numbers: their arguments are no tensors.
_MAKERS = {"arange", "eye", "full", "linspace", "ones", "zeros"}

_DTYPES = {"float16", "float32", "float64", "complex64", "complex128"}

_LIBRARIES = ("math.", "cmath.", "np.", "numpy.", "scipy.", "torch.", "jnp.", "jax.")

_GENERAL = "compute with gradwire's or NumPy's functions on the tensor itself, which record"


def _cure(frames: Sequence[FrameType]) -> str:
    """What to write instead of the text that reads a value."""
    found = expression(frames[0]) if frames else None
    if found is None:
        return _GENERAL
    source, node = found
    if isinstance(node, ast.Call):
        return _instead_of(source.segment(node.func), node, frames[0])
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        return "index a tensor, gradwire.constant(array)[index], or use gradwire.gather"
    if isinstance(node, ast.Subscript | ast.Assign):
        return (
            "an array cannot hold tensors: collect them in a list and write gradwire.stack(list), or use "
            "gradwire.index_set(x, values, index)"
        )
    return _GENERAL


def _is_list(argument: ast.expr, frame: FrameType) -> bool:
    """Whether an argument is a list or tuple: written out, made in place, or held by a local name."""
    if isinstance(argument, ast.Name):
        return isinstance(frame.f_locals.get(argument.id), list | tuple)
    return isinstance(argument, ast.List | ast.Tuple | ast.ListComp)


def _instead_of(called: str, call: ast.Call, frame: FrameType) -> str:
    from gradwire._tracing.functions import FUNCTIONS  # noqa: PLC0415  # it imports this module

    name = called.rpartition(".")[2]
    if name in ("array", "asarray", "asanyarray", "ascontiguousarray"):
        if any(_is_list(argument, frame) for argument in call.args[:1]):
            return "write gradwire.stack([…]), or np.stack([…]), which record"
        return f"leave {called} out: NumPy's functions record on the tensor itself"
    if name == "full":
        return "write gradwire.broadcast_to(tensor, shape), which records"
    if name in _DTYPES:
        return f"write gradwire.cast(tensor, '{name}'), which records"
    if not called.startswith(_LIBRARIES):
        return _GENERAL
    if name in FUNCTIONS and name not in _MAKERS:
        return f"write gradwire.{name}(…) for {called}(…), which records"
    return f"{called} cannot be recorded: write it with gradwire's functions"

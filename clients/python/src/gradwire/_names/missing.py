"""Names that are not there: what to write instead, for the package's, NumPy's and tensors' own names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from gradwire._names.instead import FORMULAS, SENTENCES
from gradwire._names.spellings import ABSENT

_TAPE = "gradients come from a tape: grads = tape.gradient(loss, [w]); or from a function: gw.grad(f)(w)"
_VALUE = "read the value with tensor.numpy(), or float(tensor) of one number"
_DEVICE = "the server computes: say where with `device` in the call, as in tape.gradient(..., device='cuda')"
_WATCHED = "variables are watched by themselves, tensors by tape.watch(t)"

#: What is done otherwise in Python than in a formula.
_OWN = {
    **dict.fromkeys(("backward", "autograd", "gradients", "retain_grad", "grad_fn"), _TAPE),
    **dict.fromkeys(("item", "tolist", "eval", "data"), _VALUE),
    **dict.fromkeys(("cpu", "cuda", "to", "device"), _DEVICE),
    **dict.fromkeys(("requires_grad", "requires_grad_", "is_leaf"), _WATCHED),
    **dict.fromkeys(
        ("no_grad", "inference_mode", "enable_grad"), "only what runs inside of a tape is recorded"
    ),
    "zero_grad": "gradients are answers and never add up: there is nothing to set to zero",
    "jit": "functions are recorded and kept by their graph as they are; gw.function publishes one",
    "clone": "tensors never change, so nothing has to be copied",
    "tensor": "write gw.constant(x), or gw.Variable(x) for what is trained",
    "as_tensor": "write gw.constant(x)",
    "array": "write gw.constant(x)",
    "asarray": "write gw.constant(x)",
    "from_numpy": "write gw.constant(x)",
    "pi": "write math.pi or np.pi",
    "e": "write math.e or np.e",
    "inf": "write math.inf or np.inf",
    "nan": "write math.nan or np.nan",
    "newaxis": "write None or np.newaxis",
}


def advice(name: str, known: Iterable[str] = ()) -> str | None:
    """What to write instead of `name`: the table's words, or a name that is a slip of the pen away."""
    tensorflow = f"for TensorFlow's {name}, {ABSENT[name]}" if name in ABSENT else None
    told = _OWN.get(name) or tensorflow or FORMULAS.get(name) or SENTENCES.get(name)
    if told is not None:
        return told
    folded = name.replace("_", "").lower()
    near = [other for other in known if other.replace("_", "").lower() == folded and folded]
    near = near or difflib.get_close_matches(name, list(known), n=3, cutoff=0.86)
    return f"did you mean {' or '.join(near)}?" if near else None


def unknown(owner: str, name: str, known: Iterable[str] = ()) -> AttributeError:
    """The error for an attribute that `owner` has not."""
    told = None if name.startswith("_") else advice(name, known)
    return AttributeError(f"{owner} has no '{name}'" + (f": {told}" if told else ""), name=name)

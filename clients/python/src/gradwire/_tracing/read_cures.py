"""What to write instead of a line that reads a value, so that it is recorded."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from types import FrameType
from typing import Any

from gradwire._locations import Place
from gradwire._names.counterparts import PACKAGE
from gradwire._names.missing import INSTEAD, advice
from gradwire._tracing.caller import expression_at
from gradwire._tracing.functions import FUNCTIONS
from gradwire._tracing.node import Traced
from gradwire._tracing.syntax import Source, name_of

#: What makes arrays of numbers: their arguments are no tensors.
_MAKERS = {"arange", "eye", "full", "linspace", "ones", "zeros"}

_DTYPES = {"float16", "float32", "float64", "complex64", "complex128"}

_LIBRARIES = ("math.", "cmath.", "np.", "numpy.", "scipy.", "torch.", "jnp.", "jax.")

_PLAIN = {"scipy", "sklearn", "pandas", "torch", "jax", "statsmodels", "sympy", "statistics", "decimal"}

_ARRAYS = ("array", "asarray", "asanyarray", "ascontiguousarray")

GENERAL = "compute with gradwire's or NumPy's functions on the tensor itself, which record"

#: Draws of which a parameter moves or stretches the noise, by the letters of what it is written with.
_MOVED = dict.fromkeys(("normal", "laplace", "logistic", "gumbel"), "{0} + {1} * {draw}") | {
    "uniform": "{0} + ({1} - {0}) * {draw}",
    "exponential": "{0} * {draw}",
    "rayleigh": "{0} * {draw}",
    "lognormal": "{module}.exp({0} + {1} * {normal})",
}
_PARAMETERS = {
    "uniform": ("low", "high"),
    "exponential": ("scale",),
    "rayleigh": ("scale",),
    "lognormal": ("mean", "sigma"),
}
_DEFAULTS = {"loc": "0.0", "scale": "1.0", "low": "0.0", "high": "1.0", "mean": "0.0", "sigma": "1.0"}
_OTHER_DRAWS = {
    *("beta", "binomial", "bernoulli", "categorical", "chisquare", "choice", "choices", "dirichlet", "gamma"),
    *("geometric", "integers", "multinomial", "multivariate_normal", "pareto", "permutation", "poisson"),
    *("randint", "standard_t", "triangular", "vonmises", "wald", "weibull", "gauss", "normalvariate"),
}
_RANDOM = ("rng", "random", "rand", "generator", "gen")


def cure_at(place: Place | None, frame: FrameType | None = None) -> str:
    """What to write instead of the text at a place; `frame` is the one that evaluates it, if it does yet."""
    expression = expression_at(place)
    if expression is None:
        return GENERAL
    source, node = expression.source, expression.node
    return _of_surroundings(source, node) or _of_text(source, node, frame)


def _of_surroundings(source: Source, node: ast.AST) -> str | None:
    """A cure for what the value is read for: a draw, a number of steps, an index, a variable."""
    above: ast.AST | None = node
    inner: ast.AST | None = None
    while above is not None and not isinstance(above, ast.stmt | ast.Lambda):
        if isinstance(above, ast.Call):
            cure = _of_call(source, above)
            if cure is not None:
                return cure
        if isinstance(above, ast.Subscript) and inner is above.slice:
            return (
                "an index has no gradient: read gradwire.stop_gradient(tensor) if a fixed place is meant, or "
                "weigh all elements, as in gradwire.sum(x * gradwire.softmax(scores))"
            )
        inner, above = above, source.parents.get(above)
    return None


def _of_call(source: Source, call: ast.Call) -> str | None:
    called = source.segment(call.func)
    base, _, name = called.rpartition(".")
    module = source.alias("gradwire")
    if called == "range":
        return (
            "a number of steps has no gradient: fix it, n = 20, and compute the size of a step from it, "
            f"step = length / n; or walk as long as a condition holds by {module}.while_loop"
        )
    if name in ("Variable", "constant", "convert_to_tensor") and base == module:
        operand = _unread(source, call.args[0]) if call.args else "the tensor"
        return f"leave {called} out and use the tensor itself, {operand}, which stays recorded"
    if name == "assign" and base.replace(".", "").replace("_", "").isalnum() and call.args:
        return f"use the tensor itself in place of `{base}`: {_unread(source, call.args[0])}"
    words = base.lower().replace(".", "_").split("_")
    if base and any(word in _RANDOM for word in words):
        return _of_draw(source, call, base, name)
    return None


def _of_draw(source: Source, call: ast.Call, base: str, name: str) -> str | None:
    """The same draw of noise that no parameter has a part in, moved and stretched by tensors."""
    if name in _OTHER_DRAWS:
        return (
            f"what {base}.{name} draws has no gradient by its parameters: differentiate the logarithm of its "
            "density at the values drawn, or its expectation"
        )
    if name not in _MOVED:
        return None
    names = _PARAMETERS.get(name, ("loc", "scale"))
    keywords = {word.arg: word.value for word in call.keywords if word.arg}
    texts = []
    for place, parameter in enumerate(names):
        argument = call.args[place] if place < len(call.args) else keywords.get(parameter)
        texts.append(_DEFAULTS[parameter] if argument is None else _tensor(source, argument))
    size = call.args[len(names)] if len(call.args) > len(names) else keywords.get("size")
    sized = _size_of(texts) if size is None else f"size={source.segment(size)}"
    draws = {"draw": f"{base}.{name}({sized})", "normal": f"{base}.normal({sized})"}
    whole = _MOVED[name].format(*texts, **draws, module=source.alias("gradwire"))
    return f"draw noise that depends on nothing, and move and stretch it by tensors: {whole}"


def _size_of(texts: Sequence[str]) -> str:
    """The shape of a draw without a size, which is that of its parameters: one number for each element."""
    open_ = [text for text in texts if not isinstance(_literal(text), int | float)]
    if not open_:
        return ""
    whole = " + ".join(open_)
    plain = whole.isidentifier() or (len(open_) == 1 and whole.startswith("("))
    return f"size={whole if plain else f'({whole})'}.shape"


def _literal(text: str) -> Any:
    """The number that a text is; None for anything else."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None


def _tensor(source: Source, node: ast.AST) -> str:
    """The text of a value that was read, without what read it, as a factor."""
    text = _unread(source, node)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "float"
        and node.args
    ):
        return _tensor(source, node.args[0])
    simple = isinstance(node, ast.Name | ast.Call | ast.Attribute | ast.Constant | ast.Subscript)
    return text if simple else f"({text})"


def _unread(source: Source, node: ast.AST) -> str:
    """The text of a value that was read, without what read it."""
    text = source.segment(node)
    for reading in (".numpy()", ".item()"):
        text = text.replace(reading, "")
    return text


def _of_text(source: Source, node: ast.AST, frame: FrameType | None) -> str:
    if isinstance(node, ast.Call):
        called = source.segment(node.func)
        if called in ("float", "complex") and len(node.args) == 1:
            return f"leave {called}() out: {source.segment(node.args[0])} stays recorded"
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("numpy", "item", "tolist"):
            operand = source.segment(node.func.value)
            return (
                f"leave .{node.func.attr}() out: gradwire's and NumPy's functions record on {operand} itself"
            )
        return _instead_of(source, node, frame)
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        if source.segment(node.value).endswith((".r_", ".c_")):
            return f"write {source.alias('gradwire')}.stack([{source.segment(node.slice)}]), which records"
        return "index a tensor, gradwire.constant(array)[index], or use gradwire.gather"
    if isinstance(node, ast.Subscript | ast.Assign):
        return (
            "an array cannot hold tensors: collect them in a list and write gradwire.stack(list), or use "
            "gradwire.index_set(x, values, index)"
        )
    return GENERAL


def _instead_of(source: Source, call: ast.Call, frame: FrameType | None) -> str:
    called = source.segment(call.func)
    name = called.rpartition(".")[2]
    if name in _ARRAYS:
        if any(_holds_tensors(argument, frame) for argument in call.args[:1]):
            items = _short(source, call.args[0])
            nested = "" if items.startswith("[[") else f", or np.stack({items})"
            return f"write {source.alias('gradwire')}.stack({items}){nested}, which records"
        return f"leave {called} out: NumPy's functions record on the tensor itself"
    if name == "full":
        return "write gradwire.broadcast_to(tensor, shape), which records"
    if name in _DTYPES:
        return f"write gradwire.cast(tensor, '{name}'), which records"
    if not called.startswith(_LIBRARIES):
        library = _library_of(call.func, frame)
        if library:
            return (
                f"{called} of {library} computes with plain numbers: write its formula with gradwire's or "
                "NumPy's functions, which record"
            )
        return GENERAL
    if name in FUNCTIONS and name not in _MAKERS:
        lists = [argument for argument in call.args if _holds_tensors(argument, frame)]
        if called.startswith(("np.", "numpy.")) and lists:
            return f"NumPy does not look into a list: write {_stacked(source, call, lists)}, which records"
        return f"write gradwire.{name}(…) for {called}(…), which records"
    text = advice(name, (PACKAGE, INSTEAD))
    return f"{called} cannot be recorded: {text or 'write it with gradwire functions'}"


def _library_of(node: ast.AST, frame: FrameType | None) -> str:
    """The library from which what is called comes, if it is none that records."""
    first, *rest = name_of(node).split(".")
    value = None if frame is None else frame.f_locals.get(first, frame.f_globals.get(first))
    for name in rest:
        attribute = getattr(value, name, None)
        value = value if attribute is None else attribute
    module = str(getattr(value, "__module__", None) or type(value).__module__).partition(".")[0]
    return module if module in _PLAIN else ""


def _stacked(source: Source, call: ast.Call, lists: Sequence[ast.expr]) -> str:
    """The text of a call, its lists of tensors stacked."""
    module = source.alias("gradwire")
    arguments = [
        f"{module}.stack({source.segment(argument)})" if argument in lists else source.segment(argument)
        for argument in call.args
    ]
    arguments += [source.segment(keyword) for keyword in call.keywords]
    return f"{source.segment(call.func)}({', '.join(arguments)})"


def _short(source: Source, node: ast.AST) -> str:
    text = source.segment(node)
    return text if len(text) <= 100 else "[[…], […]]" if text.startswith("[[") else "[…]"


def _holds_tensors(argument: ast.expr, frame: FrameType | None) -> bool:
    """Whether an argument is a list or tuple of more than numbers: written out, or held by a name."""
    if isinstance(argument, ast.Name):
        value = None if frame is None else frame.f_locals.get(argument.id, frame.f_globals.get(argument.id))
        return holds_traced(value) if isinstance(value, list | tuple) else False
    if isinstance(argument, ast.List | ast.Tuple):
        return any(not isinstance(part, ast.Constant | ast.UnaryOp) for part in argument.elts)
    return isinstance(argument, ast.ListComp)


def holds_traced(value: Sequence[object]) -> bool:
    """Whether a list or tuple, or one inside of it, holds something traced."""
    return any(
        isinstance(item, Traced) or (isinstance(item, list | tuple) and holds_traced(item)) for item in value
    )

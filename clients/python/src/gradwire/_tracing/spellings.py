"""The table of TensorFlow's spellings: keywords, and calls that differ, by our own names of functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gradwire._tracing.ops import matrix_transpose
from gradwire.errors import TensorFlowDifference

Options = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spelling:
    """How TensorFlow spells a function of ours.

    `keywords` maps its keywords to ours; `convert` changes the values of options; `differs` says what a call
    would mean in TensorFlow if that is something else, else None.
    """

    keywords: Mapping[str, str] = field(default_factory=dict)
    convert: Callable[[tuple[Any, ...], Options], tuple[tuple[Any, ...], Options]] | None = None
    differs: Callable[[tuple[Any, ...], Options], str | None] | None = None


def _no_axis(position: int, what: str) -> Callable[[tuple[Any, ...], Options], str | None]:
    def differs(args: tuple[Any, ...], options: Options) -> str | None:
        return None if len(args) > position or "axis" in options else f"{what}; give axis="

    return differs


def _at_most(count: int, what: str) -> Callable[[tuple[Any, ...], Options], str | None]:
    def differs(args: tuple[Any, ...], options: Options) -> str | None:
        return what if len(args) > count else None

    return differs


def _split_differs(args: tuple[Any, ...], options: Options) -> str | None:
    if len(args) > 1 and isinstance(args[1], list | tuple):
        return (
            "a list is the sizes of the parts in TensorFlow, and the places of the cuts here; write "
            "num_or_size_splits= for sizes, sections= for places"
        )
    return None


def _split(args: tuple[Any, ...], options: Options) -> tuple[tuple[Any, ...], Options]:
    if "sizes" not in options:
        return args, options
    sizes = options.pop("sizes")
    if isinstance(sizes, list | tuple):
        if any(size < 0 for size in sizes):
            raise TensorFlowDifference("split: a size of -1 is not understood here; give every size")
        cuts = [sum(sizes[: k + 1]) for k in range(len(sizes) - 1)]
        return args, {**options, "sections": cuts}
    return args, {**options, "sections": sizes}


def _norm_differs(args: tuple[Any, ...], options: Options) -> str | None:
    order = args[1] if len(args) > 1 else options.get("ord")
    axis = args[2] if len(args) > 2 else options.get("axis")
    if order in (None, "euclidean", "fro") or axis is not None:
        return None
    return (
        f"without an axis TensorFlow takes a matrix as one vector for ord={order!r}, and here it is the norm "
        "of a matrix; give axis=, or flatten(x)"
    )


def _norm(args: tuple[Any, ...], options: Options) -> tuple[tuple[Any, ...], Options]:
    if len(args) > 1 and isinstance(args[1], str) and args[1] == "euclidean":
        args = (args[0], None, *args[2:])
    if isinstance(options.get("ord"), str) and options["ord"] == "euclidean":
        options = {**options, "ord": None}
    return args, options


def _matmul(args: tuple[Any, ...], options: Options) -> tuple[tuple[Any, ...], Options]:
    operands = [*args, *(options.pop(key) for key in ("x1", "x2") if key in options)]
    for k, key in enumerate(("transpose_a", "transpose_b")):
        if options.pop(key, False):
            operands[k] = matrix_transpose(operands[k])
    return tuple(operands), options


def _order(args: tuple[Any, ...], options: Options) -> tuple[tuple[Any, ...], Options]:
    words = {"ASCENDING": False, "DESCENDING": True}
    args = tuple(words.get(value, value) if isinstance(value, str) else value for value in args)
    order = options.get("descending")
    return args, {**options, "descending": words.get(order, order)} if isinstance(order, str) else options


def _lower_mode(args: tuple[Any, ...], options: Options) -> tuple[tuple[Any, ...], Options]:
    args = tuple(value.lower() if isinstance(value, str) else value for value in args)
    return args, {key: value.lower() if isinstance(value, str) else value for key, value in options.items()}


def _one_hot(args: tuple[Any, ...], options: Options) -> tuple[tuple[Any, ...], Options]:
    for key, usual in (("on_value", 1), ("off_value", 0)):
        setting = options.pop(key, None)
        if setting is not None and setting != usual:
            raise TensorFlowDifference(f"one_hot: {key} is always {usual} here; scale the result")
    return args, {key: value for key, value in options.items() if not (key == "axis" and value is None)}


def _unstack(args: tuple[Any, ...], options: Options) -> tuple[tuple[Any, ...], Options]:
    options.pop("num", None)  # how many there are is known from the shape
    return args, options


def _concat(args: tuple[Any, ...], options: Options) -> tuple[tuple[Any, ...], Options]:
    return ((options.pop("values"), *args), options) if "values" in options else (args, options)


def _loop_differs(args: tuple[Any, ...], options: Options) -> str | None:
    if len(args) > 2 and isinstance(args[2], list | tuple):
        return (
            "TensorFlow gives the functions the loop variables one by one, and here they take one structure, "
            "`lambda state: …`; give init= to say that this is meant"
        )
    return None


def _scan_differs(args: tuple[Any, ...], options: Options) -> str | None:
    return (
        (
            "scan(fn, elems, initializer) of TensorFlow is scan(f, init, xs) here, where f(carry, x) answers "
            "(carry, y); give init= and xs= to say that this is meant"
        )
        if len(args) > 1
        else None
    )


_ONE = {"input": "x", "input_tensor": "x", "tensor": "x", "features": "x", "value": "x", "values": "x"}
_TWO = {"x": "x1", "y": "x2", "a": "x1", "b": "x2"}
_FIRST_AXIS = "TensorFlow takes the first axis by default, and here it is the {}"
_ARG = Spelling(
    {**_ONE, "output_type": "!the answer is int64: cast it"},
    differs=_no_axis(1, _FIRST_AXIS.format("last one")),
)
_CUMULATIVE = Spelling(_ONE, differs=_no_axis(1, _FIRST_AXIS.format("flattened tensor")))

#: Ops of one tensor, and of two, by their own names.
_UNARY = (
    "all any max mean min prod sum std var count_nonzero abs acos acosh asin asinh atan atanh ceil "
    "conj cos cosh exp expm1 floor identity isfinite isinf isnan gammaln log log1p log_sigmoid "
    "log_softmax logical_not negative ones_like real imag reciprocal round rsqrt sigmoid sign sin "
    "sinh softmax softplus softsign sqrt square stop_gradient tan tanh zeros_like erf erfc erfinv "
    "digamma elu gelu leaky_relu relu relu6 selu silu ndtri broadcast_to reshape shape size ndim "
    "astype flip roll repeat squeeze expand_dims angle "
)
_BINARY = (
    "add atan2 divide divide_no_nan equal floor_divide greater greater_equal less less_equal "
    "logical_and logical_or logical_xor maximum minimum multiply not_equal pow remainder "
    "squared_difference subtract xlogy xlog1py "
)

SPELLINGS: dict[str, Spelling] = {
    **dict.fromkeys(
        _UNARY.split(),
        Spelling({**_ONE, "logits": "x", "dims": "axis"}),
    ),
    **dict.fromkeys(
        _BINARY.split(),
        Spelling(_TWO),
    ),
    "argmax": _ARG,
    "argmin": _ARG,
    "argsort": Spelling({**_ONE, "direction": "descending"}, _order),
    "sort": Spelling({**_ONE, "direction": "descending"}, _order),
    "clip": Spelling({"t": "x", "clip_value_min": "min", "clip_value_max": "max"}),
    "complex": Spelling({"real": "x1", "imag": "x2"}),
    "concat": Spelling({}, _concat),
    "stack": Spelling({}, _concat),
    "cond": Spelling({"pred": "predicate", "true_fn": "true_function", "false_fn": "false_function"}),
    "cumulative_prod": _CUMULATIVE,
    "cumulative_sum": _CUMULATIVE,
    "eye": Spelling(
        {
            "num_rows": "n_rows",
            "num_columns": "n_cols",
            "batch_shape": "!write broadcast_to(eye(n), shape)",
        },
        differs=_at_most(2, "the third argument is batch_shape in TensorFlow, and k, the diagonal, here"),
    ),
    "full": Spelling({"dims": "shape", "value": "fill_value"}),
    "gather": Spelling(
        {
            "params": "x",
            "ids": "indices",
            "validate_indices": "",
            "batch_dims": "!use vmap, or gather_elements",
        },
        differs=_at_most(
            2, "the third argument is validate_indices in TensorFlow, and axis here; give axis="
        ),
    ),
    "gather_nd": Spelling({"params": "x", "batch_dims": "!use vmap"}),
    "linspace": Spelling({"axis": "!the new axis is the first one"}),
    "arange": Spelling({"limit": "stop", "delta": "step"}),
    "matmul": Spelling(
        {
            **_TWO,
            "adjoint_a": "!write conj(matrix_transpose(a))",
            "adjoint_b": "!write conj(matrix_transpose(b))",
        },
        _matmul,
    ),
    "norm": Spelling(_ONE, _norm, _norm_differs),
    "normalize": Spelling(
        _ONE,
        differs=_no_axis(1, "TensorFlow takes all axes together by default, and here it is the last one"),
    ),
    "one_hot": Spelling(
        {"depth": "num_classes"},
        _one_hot,
        _at_most(2, "after the depth TensorFlow has on_value and off_value, and here axis and dtype follow"),
    ),
    "pad": Spelling({"tensor": "x", "paddings": "pad_width"}, _lower_mode),
    "permute_dims": Spelling({"a": "x", "perm": "axes", "conjugate": "!write conj(transpose(x))"}),
    "polygamma": Spelling(
        {"a": "order"},
        differs=_at_most(1, "polygamma(order, x) of TensorFlow is polygamma(x, order=…) here; give order="),
    ),
    "scan": Spelling(
        {
            "elems": "!it is scan(f, init, xs), where f(carry, x) answers (carry, y)",
            "initializer": "!it is scan(f, init, xs), where f(carry, x) answers (carry, y)",
        },
        differs=_scan_differs,
    ),
    "split": Spelling({"value": "x", "num_or_size_splits": "sizes"}, _split, _split_differs),
    "tensordot": Spelling(_TWO),
    "tile": Spelling({"input": "x", "multiples": "repetitions"}),
    "top_k": Spelling(
        {"input": "x", "sorted": ""},
        differs=_at_most(2, "the third argument is sorted in TensorFlow, and axis here; give axis="),
    ),
    "unstack": Spelling(
        {"value": "x"},
        _unstack,
        _at_most(1, "the second argument is num in TensorFlow, and axis here; give axis="),
    ),
    "where": Spelling({"x": "x1", "y": "x2"}),
    "while_loop": Spelling(
        {
            "cond": "condition",
            "loop_vars": "!give init=, one structure, which the functions take as one argument",
            "maximum_iterations": "max_steps",
        },
        differs=_loop_differs,
    ),
}

"""Attributes as other libraries call them, and what they are called here."""

from typing import Final

#: Their name, and the names that may stand for it here; the op decides which.
SPELLINGS: Final = {
    "dim": ("axis", "axes"),
    "dims": ("axis", "axes"),
    "axes": ("axis",),
    "axis": ("axes",),
    "perm": ("axes",),
    "permutation": ("axes",),
    "reduction_indices": ("axis",),
    "reduction_axes": ("axis",),
    "class_dim": ("axis",),
    "along": ("axis",),
    "dimension": ("axis",),
    "keepdim": ("keepdims",),
    "keep_dim": ("keepdims",),
    "keep_dims": ("keepdims",),
    "keepDims": ("keepdims",),
    "unbiased": ("correction",),
    "bias": ("correction",),
    "dof": ("correction",),
    "ddof": ("correction",),
    "correction": ("ddof",),
    "reverse": ("descending",),
    "ascending": ("descending",),
    "decreasing": ("descending",),
    "direction": ("descending",),
    "sorted": (),
    "a_min": ("min",),
    "a_max": ("max",),
    "low": ("min",),
    "high": ("max",),
    "lower": ("min", "upper"),
    "clip_value_min": ("min",),
    "clip_value_max": ("max",),
    "min_value": ("min",),
    "max_value": ("max",),
    "newshape": ("shape",),
    "new_shape": ("shape",),
    "size": ("shape", "window"),
    "output_shape": ("shape",),
    "depth": ("num_classes",),
    "classes": ("num_classes",),
    "n_classes": ("num_classes",),
    "p": ("ord",),
    "order": ("ord",),
    "eps": ("epsilon",),
    "slope": ("alpha",),
    "negative_slope": ("alpha",),
    "lambd": ("threshold",),
    "reps": ("repetitions",),
    "multiples": ("repetitions",),
    "repeats": ("repetitions",),
    "indices_or_sections": ("sections",),
    "num_or_size_splits": ("sections",),
    "split_size_or_sections": ("sections",),
    "chunks": ("sections",),
    "n": ("sections", "k", "num"),
    "shifts": ("shift",),
    "subscripts": ("equation",),
    "offset": ("k",),
    "diagonal": ("k", "offset"),
    "k": ("offset",),
    "dim0": ("axis1",),
    "dim1": ("axis2",),
    "axis0": ("axis1",),
    "decimal": ("decimals",),
    "digits": ("decimals",),
    "ndigits": ("decimals",),
    "label_smooth": ("label_smoothing",),
    "smoothing": ("label_smoothing",),
    "logits": ("from_logits",),
    "beta": ("delta",),
    "padding": ("pad_width",),
    "pad_mode": ("padding_mode",),
    "return_indices": (),
    "paddings": ("pad_width",),
    "pad": ("pad_width",),
    "value": ("constant_values", "fill_value"),
    "fill": ("fill_value",),
    "type": ("dtype",),
    "data_type": ("dtype",),
    "kernel_size": ("window",),
    "pool_size": ("window",),
    "window_shape": ("window",),
    "strides": ("stride",),
    "window_strides": ("stride",),
    "dilation_rate": ("dilation",),
    "dilations": ("dilation",),
    "rhs_dilation": ("dilation",),
    "feature_group_count": ("groups",),
    "output_size": ("size",),
    "norm_type": ("ord",),
    "steps": ("num",),
    "count": ("num",),
    "tol": ("tolerance",),
    "max_iter": ("max_steps",),
    "maxiter": ("max_steps",),
    "max_iterations": ("max_steps",),
}

#: Options that only say what holds here anyway.
NEEDLESS: Final = frozenset({"name", "out", "copy", "inplace", "in_place", "requires_grad", "device", "like"})

#: Options whose values turn round under the name that they have here.
_NEGATED: Final = frozenset({"ascending", "bias", "lower"})
_COUNTED: Final = frozenset({"unbiased", "bias"})


def spelled(name: str, names: tuple[str, ...]) -> str | None:
    """The one of the `names` names that another library calls `name`."""
    return next((ours for ours in SPELLINGS.get(name, ()) if ours in names), None)


def translated(name: str, value: object) -> object:
    """The value of their option `name` under the name that it has here."""
    if isinstance(value, bool):
        value = not value if name in _NEGATED else value
        return int(value) if name in _COUNTED else value
    return value

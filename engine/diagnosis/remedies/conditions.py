"""When an entry of the tables applies, and the literals that its forms use."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from engine.diagnosis.remedies.table import Scene
from engine.ir.tape import Instruction
from engine.passes.stable.patterns import Bound

ROUNDING = 1e-5  # by which a cosine may lie outside of -1 to 1
MASKED = 1e6  # below the largest of a row by so much, something was meant to be left out


def count(scene: Scene, bound: Bound) -> int:
    """How many elements lie along the axes A of x."""
    shape, axes = scene.type(bound["x"]).shape, bound["A"]
    return int(np.prod([shape[axis] for axis in ((axes,) if isinstance(axes, int) else axes)]))


def of_one(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether a single element lies along the axes A of x."""
    return scene.type(bound["x"]).size > 0 and count(scene, bound) == 1


def of_one_beside_last(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether a single element lies along the axes A of x, and several along its last axis."""
    return of_one(scene, step, bound) and scene.type(bound["x"]).shape[-1] > 1


def last_axis(scene: Scene, step: Instruction, bound: Bound) -> Mapping[str, str]:
    """The last axis E of x."""
    return {"E": str(scene.type(bound["x"]).ndim - 1)}


def too_few(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether no more elements lie along the axes A of x than C, by which their number is lessened."""
    return 0 < count(scene, bound) <= int(bound["C"])


def whole(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether one number comes out of it."""
    return scene.type(step.outputs[0]).size == 1 and scene.type(bound["x"]).ndim == 1


def of_three(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """The same of vectors in space."""
    return whole(scene, step, bound) and scene.type(bound["x"]).shape == (3,)


def alike(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether y is the same for all elements along the axes A of x + y."""
    x, y = scene.type(bound["x"]).shape, scene.type(bound["y"]).shape
    axes = (bound["A"],) if isinstance(bound["A"], int) else bound["A"]
    ndim = max(len(x), len(y))
    full = (1,) * (ndim - len(y)) + y
    return all(full[axis] == 1 for axis in axes)


def one_left(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether masks leave at most one element of every row of x."""
    x = np.asarray(scene.value(bound["x"]), np.float64)  # float16 cannot hold the distance
    axes = (bound["A"],) if isinstance(bound["A"], int) else tuple(bound["A"])
    masked = x - x.max(axis=axes, keepdims=True) < -MASKED
    return bool(masked.any() and ((~masked).sum(axis=axes) <= 1).all())


def no_exponent(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether the exponent y is 0."""
    return bool((scene.value(bound["y"]) == 0).all())


def no_base(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether the base x is 0."""
    return bool((scene.value(bound["x"]) == 0).all())


def exponent(scene: Scene, step: Instruction, bound: Bound) -> Mapping[str, str]:
    """An exponent written as a whole division, as it was meant."""
    text = scene.operand_text(step, 1)
    return {"E": text.replace("//", "/") if "//" in text else "1"}


def odd_root(scene: Scene, step: Instruction, bound: Bound) -> int | None:
    """The odd n of an exponent 1 / n."""
    y = scene.value(bound["y"])
    n = round(1 / float(y)) if y.ndim == 0 and 0 < abs(y) < 1 else 0
    return n if n % 2 and n > 1 and abs(float(y) * n - 1) < 1e-6 else None


def cube_root(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether the exponent y is 1/3."""
    return odd_root(scene, step, bound) == 3


def is_odd_root(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether the exponent y is 1/n for an odd n."""
    return odd_root(scene, step, bound) is not None


def negative_whole(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether the exponent y is a negative whole number."""
    y = scene.value(bound["y"])
    return y.ndim == 0 and float(y) < 0 and float(y).is_integer()


def power_below(scene: Scene, step: Instruction, bound: Bound) -> Mapping[str, str]:
    """The exponent E of the denominator."""
    return {"E": f"{-float(scene.value(bound['y'])):g}"}


def at_zero(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether no element of x is negative."""
    return bool((scene.value(bound["x"]) >= 0).all())


def one_number(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether the divisor y is one number that is not negative, and x is 0 as well where it is."""
    zeros = not _is_pole_anywhere(scene, bound)
    return zeros and scene.type(bound["y"]).size == 1 and bool((scene.value(bound["y"]) >= 0).all())


def pole_of_literal(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether the divisor y is a 0 that was written as a number."""
    return _is_pole_of_one(scene, bound) and _is_number(scene.operand_text(step, 1))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def pole_of_data(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether the divisor y is one number, 0, that no variable has a part in, and some x is not 0."""
    return _is_pole_of_one(scene, bound) and not scene.depends(bound["y"])


def pole_of_variable(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether the divisor y is one number, 0, that a variable has a part in, and some x is not 0."""
    return _is_pole_of_one(scene, bound) and scene.depends(bound["y"])


def _is_pole_of_one(scene: Scene, bound: Bound) -> bool:
    return scene.type(bound["y"]).size == 1 and _is_pole_anywhere(scene, bound)


def beyond_one(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether x lies outside of -1 to 1 by more than rounding."""
    return bool((np.abs(scene.value(bound["x"])) > 1 + ROUNDING).any())


def below_one(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether x lies below 1 by more than rounding."""
    return bool((scene.value(bound["x"]) < 1 - ROUNDING).any())


def _is_pole_anywhere(scene: Scene, bound: Bound) -> bool:
    x, y = np.broadcast_arrays(scene.value(bound["x"]), scene.value(bound["y"]))
    return bool((x[y == 0] != 0).any())


def negative(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether some element of x is negative, and none is 0."""
    x = scene.value(bound["x"])
    return bool((x < 0).any() and (x != 0).all())


def pole(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether nothing is 0 by 0."""
    x, y = np.broadcast_arrays(scene.value(bound["x"]), scene.value(bound["y"]))
    return bool((x[y == 0] != 0).all()) and scene.type(bound["y"]).size > 1


def nonnegative(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether no divisor y is negative."""
    return bool((scene.value(bound["y"]) >= 0).all())


def both(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether there are a lower bound L and an upper one U."""
    return bound["L"] is not None and bound["U"] is not None


def unit(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether the bounds are 0 and 1."""
    return (bound["L"], bound["U"]) == (0, 1)


def symmetric(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether the bounds are -1 and 1."""
    return (bound["L"], bound["U"]) == (-1, 1)


def low(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether there is a lower bound alone."""
    return bound["L"] is not None and bound["U"] is None


def high(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether there is an upper bound alone."""
    return bound["L"] is None and bound["U"] is not None


def zero_bound(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether y is 0."""
    return bool((scene.value(bound["y"]) == 0).all())


def square(scene: Scene, step: Instruction, bound: Bound) -> Mapping[str, str]:
    """The number N of rows of a square matrix."""
    return {"N": str(scene.type(bound["x"]).shape[-1])}


def scale(scene: Scene, step: Instruction, bound: Bound) -> Mapping[str, str]:
    """A power of ten that brings the largest value to about 1."""
    x = np.abs(np.asarray(scene.value(bound["x"]), float))
    most = float(x[np.isfinite(x)].max(initial=1.0))
    return {"S": str(10 ** max(1, int(np.ceil(np.log10(max(most, 1.0))))))}


def beyond_table(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether each x lies outside of the table t."""
    x, table = scene.value(bound["x"]), scene.value(bound["t"])
    return bool(((x < table.min()) | (x > table.max())).all())


def multiplied_below(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether x / y * z is written without brackets, is far out of range, and x / (y * z) is not."""
    if not _UNBRACKETED.search(scene.text(step.inputs[0])):
        return False
    with np.errstate(all="ignore"):
        over, by, factor = (np.asarray(scene.value(bound[letter]), np.float64) for letter in "xyz")
        written, meant = np.abs(over / by * factor), np.abs(over / (by * factor))
    return bool(written.max(initial=0) > FAR and meant.max(initial=0) < NEAR)


_UNBRACKETED = re.compile(r"/\s*[\w.]+\s*\*(?!\*)")
FAR, NEAR = 700.0, 200.0  # arguments of exp that are out of range, and of order 1


def within(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether the axes A are among the axes B."""
    axes = bound["B"]
    return all(axis in ((axes,) if isinstance(axes, int) else axes) for axis in bound["A"])

"""The frequencies of a transform's results, and their order."""

from __future__ import annotations

from typing import Any

from engine import dtypes
from engine.dtypes import TensorType
from engine.errors import InvalidAttribute
from engine.ir.attributes import AXES, DTYPE, NUMBER, SIZE, Attribute
from engine.ir.cost import Cost
from engine.ir.families import CREATION, composite, define
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axes
from engine.ir.table import F


def _checked(types: Any, *, n: int, d: float, dtype: str) -> dict[str, Any]:
    if not n:
        raise InvalidAttribute("expected 1 or more for 'n', got 0")
    if d == 0:
        raise InvalidAttribute("expected a spacing other than 0 for 'd'")
    if not dtypes.is_floating(dtype):
        raise InvalidAttribute(f"expected a floating dtype, got {dtype}")
    return {}


def _frequencies(name: str, summary: str, half: bool) -> Op:
    def forward(xp: Any, *, n: int, d: float, dtype: str) -> Any:
        if half:
            places = xp.arange(n // 2 + 1)
        else:
            places = xp.concat([xp.arange((n + 1) // 2), xp.arange(-(n // 2), 0)])
        return xp.astype(places, getattr(xp, dtype)) * (1 / (n * d))

    return define(
        name,
        family=CREATION,
        summary=summary,
        forward=forward,
        normalize=_checked,
        infer=lambda types, *, n, d, dtype: (TensorType((n // 2 + 1 if half else n,), dtype),),
        vjp=(),
        attributes=(
            Attribute("n", SIZE, doc="the size of the transform"),
            Attribute("d", NUMBER, 1.0, "the distance of samples"),
            Attribute("dtype", DTYPE, dtypes.DEFAULT),
        ),
        cost=lambda types, outputs, **_: Cost(0, outputs[0].nbytes, 16 * outputs[0].size),
        samples=(
            Sample((), {"n": 5}),
            Sample((), {"n": 4, "d": 0.5, "dtype": "float32"}),
        ),
    )


fftfreq = _frequencies("fftfreq", "The frequencies of the results of fft, in their order.", False)
rfftfreq = _frequencies("rfftfreq", "The frequencies of the results of rfft, in their order.", True)


def _shifted(name: str, summary: str, sign: int) -> Op:
    def formula(x: Any, *, axes: tuple[int, ...] | None) -> Any:
        places = normalize_axes(axes, x.ndim)
        shift = tuple(sign * (x.shape[a] // 2) for a in places)
        return F.roll(x, shift=shift, axis=places) if places else F.positive(x)

    return composite(
        name,
        summary=summary,
        formula=formula,
        kinds="numeric",
        attributes=(Attribute("axes", AXES, None, "all of them when absent"),),
        samples=(Sample(((5,),)), Sample(((2, 3),)), Sample(((3, 4),), {"axes": 1})),
    )


fftshift = _shifted("fftshift", "Frequencies in ascending order: the second half first.", 1)
ifftshift = _shifted("ifftshift", "The inverse of fftshift.", -1)

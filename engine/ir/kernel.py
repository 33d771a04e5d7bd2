"""The kernel of an op: how one instruction is computed, and what it does with memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.dtypes import TensorType, is_integer

Forward = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Kernel:
    """How an op is computed; an op that is a formula over other ops has no `forward`.

    `forward(xp, *arrays, **attributes)` computes the op, with every array already in the promoted dtype.
    `ufunc` names the universal function of the namespace that is the whole kernel, so that the executor can
    let it write into a buffer; if `ufunc_excludes_integers`, that holds for other dtypes than integers only.
    `forward_into(xp, out, *arrays, **attributes)` does the same for a kernel that is more than one such
    function, or has a constant among its operands; `out` may be one of the arrays.
    `prepare(xp, **attributes)` returns `forward` for these attributes as a function of the arrays alone, with
    whatever does not depend on them worked out; None if there is nothing to gain. The host's arrays only.
    `scalar` is the kernel on scalars, for fused loops. `lowering(k, *values, **attributes)` composes the
    kernel of maps, reductions and products for the compiled executor (`Structure` there), which leaves a
    kernel with neither to NumPy.

    `view` says that the output shares the memory of the first input. `in_place` says that the kernel writes
    into its first array and returns it. `may_alias` says that the array it returns may be part of an input
    or lie in another order than C's, so that what leaves the engine is a copy. `view` and `may_alias` may be
    functions of the attributes. `refuses` says that a view raises for some values, and so is never taken for
    the memory alone. `takes_needed` says that the kernel is given, as `needed`, which of its
    outputs are read.
    """

    forward: Forward | None = None
    ufunc: str | None = None
    ufunc_excludes_integers: bool = False
    forward_into: Forward | None = None
    prepare: Callable[..., Forward | None] | None = None
    scalar: Forward | None = None
    lowering: Forward | None = None
    view: bool | Callable[..., bool] = False
    in_place: bool = False
    may_alias: bool | Callable[..., bool] = False
    refuses: bool = False
    takes_needed: bool = False

    def ufunc_for(self, dtype: str) -> str:
        """The universal function that alone is the kernel for this dtype; empty if there is none."""
        return (
            "" if self.ufunc is None or (self.ufunc_excludes_integers and is_integer(dtype)) else self.ufunc
        )

    def bound(self, xp: Any, attributes: Mapping[str, Any], type: TensorType) -> Forward:
        """`forward` as a function of the arrays alone; `type` is that of the first output.

        What can write into a buffer makes one and does so, which takes no more memory than the output.
        """
        assert self.forward is not None
        into = self.forward_into
        if into is not None and type.shape:
            dtype = getattr(xp, type.dtype)

            def fresh(*arrays: Any) -> Any:
                out = xp.empty(type.shape, dtype=dtype)
                into(xp, out, *arrays, **attributes)
                return out

            return fresh
        prepared = None if self.prepare is None or xp.on_device else self.prepare(xp, **attributes)
        return prepared or partial(self.forward, xp, **attributes)

    @property
    def takes_out(self) -> bool:
        """Whether the kernel can write into a given buffer."""
        return self.ufunc is not None or self.forward_into is not None

    def is_view(self, attributes: Mapping[str, Any]) -> bool:
        """Whether the output shares the first input's memory."""
        return self.view(**attributes) if callable(self.view) else self.view

    def needs_copy(self, attributes: Mapping[str, Any]) -> bool:
        """Whether a value that leaves the engine has to be a copy of what the kernel returns."""
        return self.may_alias(**attributes) if callable(self.may_alias) else self.may_alias

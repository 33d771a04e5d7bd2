"""The derivative of an op beside its inputs' VJP rules: joint rules, and facts that the walks rely on.

A VJP rule is a formula over tape variables, `rule(g, y, *inputs, **attributes)`: `g` is the
cotangent of the output `y`. It records itself, so gradients of gradients need no second rule set.
Un-broadcasting, accumulation and pruning belong to the walk in `engine.transforms.vjp`, never to a rule.

For complex tensors a cotangent pairs with a change without a conjugate: the target moves by Re(Σ g dy). So
`g * f'(x)` is the rule of a holomorphic op for real and complex numbers alike, and a real input takes the
real part of what its rule returns. Users see the conjugate (`engine.derivatives`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.errors import InternalError

Rule = Callable[..., Any]


def JOINT(*_: Any, **__: Any) -> Any:
    """Stands for an input's rule if the op's `pullback` gives the cotangents of all inputs at once."""
    raise InternalError("an op without a pullback marks its inputs as differentiated jointly")


@dataclass(frozen=True, slots=True)
class Accumulate:
    """A rule's result that adds itself to the cotangent gathered so far, instead of being summed.

    `add(total)` records the sum; if nothing was gathered yet, the walk starts it on zeros. Adjoints
    of indexing are of this kind, so that many reads of one tensor never make padded arrays.
    """

    add: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Derivative:
    """What is known of an op's derivative; the VJP rule of each input stands with the input.

    `pullback(gs, ys, *inputs, **attributes)` gives the cotangents of all inputs at once if the inputs'
    rules are `JOINT`, `pushforward(tangents, inputs, **attributes)` the tangents of all outputs.

    `linear_in` are the inputs in which the op is linear taken together, the others held fixed; a `bilinear`
    op is linear in either of its two inputs. With attributes other than `linear_at` it is affine: its linear
    part is the op with those.

    An op that is not `holomorphic` has a derivative by the parts of its complex inputs only; `complex_rule`
    names the op that stands in for it on complex inputs, where other edges carry a gradient.

    `second_order` is False if only first derivatives exist. `nonsmooth_at(xp, *arrays, **attributes)` marks
    the elements at which the derivative jumps; `zero_reason` says why it may vanish.
    """

    pullback: Rule | None = None
    pushforward: Rule | None = None
    linear_in: frozenset[int] = frozenset()
    bilinear: bool = False
    linear_at: Mapping[str, Any] = field(default_factory=dict)
    holomorphic: bool = True
    complex_rule: str | None = None
    second_order: bool = True
    nonsmooth_at: Callable[..., Any] | None = None
    zero_reason: Literal["saturated", "unselected", "zero_operand"] | None = None

    def is_affine(self, attributes: Mapping[str, Any]) -> bool:
        """Whether a constant is added to what is linear in the inputs `linear_in`."""
        return any(attributes[name] != value for name, value in self.linear_at.items())

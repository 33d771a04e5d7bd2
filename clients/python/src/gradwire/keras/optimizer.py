"""What optimisers that step here, in NumPy, share.

A step reads gradients, as tensors or arrays, and assigns new values to variables; nothing is sent.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from gradwire._names.counterparts import OPTIMIZER_SETTINGS, OPTIMIZERS
from gradwire._names.own import is_own, own_class
from gradwire._names.strict import Strict
from gradwire._tracing.applied import gradient_behind, gradient_in, note_applied
from gradwire._tracing.node import Array, Leaf
from gradwire._tracing.operators import Operators
from gradwire._tracing.reads import may_read
from gradwire._tracing.restarts import note_optimizer
from gradwire._tracing.variable import Variable
from gradwire.autodiff.tape import GradientTape
from gradwire.errors import OptimizerError
from gradwire.keras.pairs import read_pairs
from gradwire.keras.rates import SteppedRates, are_variables, read_rate, respelled, warn_of_decay
from gradwire.keras.schedule import LearningRateSchedule

Schedule = Callable[[int], float]
_SHARED = ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm")


class Optimizer(Strict):
    """What optimisers share: `apply_gradients`, `iterations` and a slot of arrays for each variable.

    `learning_rate` is a number, or a function of the number of steps taken so far. Real and imaginary parts
    of complex variables step as numbers of their own. All take Keras's `weight_decay` (w moves by
    −rate·decay·w first) and one of `clipvalue` (each element), `clipnorm` (each gradient) and
    `global_clipnorm` (all together).
    """

    slots: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[tuple[str, ...]] = ()  # what a job's document has beside the learning rate
    _role: ClassVar[str] = "optimizer"
    _wire_name: ClassVar[str] = ""
    _fixed: ClassVar[frozenset[str]] = frozenset({"slots", "settings"})
    _cures: ClassVar[Mapping[str, str]] = OPTIMIZER_SETTINGS
    _absent: ClassVar[Mapping[str, str]] = OPTIMIZERS

    @classmethod
    def _check_arguments(cls, args: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        """Raise OptimizerError for variables in the first place, with the call that works here."""
        if args and keywords and is_own(cls) and are_variables(args[0]):
            call = ", ".join(f"{name}={value!r}" for name, value in respelled(keywords).items())
            raise OptimizerError(
                f"{cls.__name__} takes no variables, which are given to apply_gradients(zip(grads, "
                f"variables)); write gw.optimizers.{cls.__name__}({call})"
            )

    def __init__(
        self,
        learning_rate: float | Schedule,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        bounds = [name for name, bound in clips.items() if bound is not None]
        if len(bounds) > 1:
            raise OptimizerError(f"expected one way of clipping, got {' and '.join(bounds)}")
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.weight_decay = weight_decay
        self.learning_rate = learning_rate
        self.iterations = 0
        self._state: dict[int, tuple[Variable, dict[str, Array]]] = {}
        self._rates_so_far = SteppedRates()

    @property
    def learning_rate(self) -> float | Schedule:
        """A number, or a function of the number of steps taken so far."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float | Schedule) -> None:
        self._learning_rate = read_rate(rate)

    def minimize(
        self, loss: Any, var_list: Variable | Sequence[Variable], tape: GradientTape | None = None
    ) -> None:
        """One step that makes `loss` smaller: a function without arguments, or a tensor and its `tape`.

        Raises OptimizerError for a loss that is neither.
        """
        variables = [var_list] if isinstance(var_list, Variable) else list(var_list)
        if callable(loss):
            tape = GradientTape()
            with tape:
                value = loss()
        elif isinstance(loss, Operators) and tape is not None:
            value = loss
        else:
            raise OptimizerError(
                f"expected a function without arguments as the loss, got {type(loss).__name__}: write "
                "optimizer.minimize(lambda: loss_of(w), [w]), or give the tape that recorded it, tape=tape"
            )
        self.apply_gradients(zip(tape.gradient(value, variables), variables, strict=True))

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]], *others: Any) -> None:
        """One step on each (gradient, variable).

        Variables without a gradient are left as they are, with a warning, as in Keras. Raises
        OptimizerError where none has one, where shapes differ, and where there is nothing at all. A step that
        makes a variable infinite or NaN warns.
        """
        pairs = read_pairs(grads_and_vars, others)
        missing = [variable.name for gradient, variable in pairs if gradient is None]
        if missing:
            self._complain(missing, everything=len(missing) == len(pairs))
        rate = self.learning_rate(self.iterations) if callable(self.learning_rate) else self.learning_rate
        gradients: list[Array] = []
        sources = [_gradient_of(gradient, variable) for gradient, variable in pairs if gradient is not None]
        variables = [variable for gradient, variable in pairs if gradient is not None]
        for gradient, variable in pairs:
            if gradient is None:
                continue
            if isinstance(gradient, Operators):
                may_read(gradient._edge(), "apply_gradients()")
            g = gradient._value() if isinstance(gradient, Operators) else np.asarray(gradient)
            if g.shape != variable.shape:
                raise OptimizerError(
                    f"expected a gradient of shape {variable.shape} for '{variable.name}', got {g.shape}; "
                    "gradients and variables go in the same order, those of one tape.gradient call"
                )
            gradients.append(_parts(g.astype(variable.dtype, copy=False)))
        if self.weight_decay is not None:
            warn_of_decay(float(rate), self.weight_decay)
        for g, variable, source in zip(self._clipped(gradients), variables, sources, strict=True):
            w = _parts(variable._value())
            if self.weight_decay is not None:
                w = w - w * (self.weight_decay * float(rate))
            stepped = self.update(w, g, self._slots(variable), float(rate))
            whole = stepped[..., 0] + 1j * stepped[..., 1] if variable.dtype.kind == "c" else stepped
            variable._assigned(whole, self)
            note_applied(variable._owner, variable.name, source, "apply_gradients")
            if any(slot.any() for slot in self._slots(variable).values()):
                note_optimizer(variable._owner, self, first=self.iterations == 0)
        self.iterations += 1
        if callable(self.learning_rate):
            self._rates_so_far.note(float(rate), self.iterations)

    def document(self) -> dict[str, Any]:
        """As a job's `optimizer`; raises OptimizerError where the rate is a function of one's own.

        Raises NotTraced for a class of the user's own.
        """
        kind = own_class(self, "optimizer")
        rate: Any = self.learning_rate
        if isinstance(rate, LearningRateSchedule):
            rate = rate.document()
        elif callable(rate):
            raise OptimizerError(
                "expected a number or one of gradwire.optimizers.schedules as a job's learning rate, got "
                f"{rate!r}; functions run only where optimisers step here"
            )
        settings = {name: getattr(self, name) for name in (*self.settings, *_SHARED)}
        named = {"name": kind._wire_name, "learning_rate": rate, **settings}
        return {name: value for name, value in named.items() if value is not None}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_state": list(self._state.values())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._state = {id(variable): (variable, dict(slots)) for variable, slots in state["_state"]}

    @abstractmethod
    def update(self, w: Array, g: Array, slots: dict[str, Array], rate: float) -> Array:
        """The new value of `w`; `slots` may be bound to new arrays, `iterations` counts finished steps."""

    def initial(self, w: Array) -> Array:
        """What a slot starts from."""
        return np.zeros_like(w)

    def _start(self, slot: str, w: Array) -> Array:
        return self.initial(w)

    def _clipped(self, gradients: list[Array]) -> list[Array]:
        """The gradients within the bounds of `clipvalue`, `clipnorm` or `global_clipnorm`."""
        if self.clipvalue is not None:
            return [np.clip(g, -self.clipvalue, self.clipvalue) for g in gradients]
        bound = self.clipnorm if self.clipnorm is not None else self.global_clipnorm
        if bound is None:
            return gradients
        squares = [float(np.sum(np.square(g))) for g in gradients]
        if self.clipnorm is None:
            squares = [sum(squares)] * len(squares)
        return [g * (bound / max(s**0.5, bound)) for g, s in zip(gradients, squares, strict=True)]

    def _slots(self, variable: Variable) -> dict[str, Array]:
        key = id(variable)  # the entry holds the variable, so that no other can take its id
        if key not in self._state:
            w = _parts(variable._value())
            self._state[key] = (variable, {name: self._start(name, w) for name in self.slots})
        return self._state[key][1]

    def _complain(self, missing: list[str], *, everything: bool) -> None:
        listed = ", ".join(f"'{name}'" for name in missing)
        cure = "tape.explain(target, variables) says why"
        if everything:
            raise OptimizerError(f"no gradient for any variable: {listed}; {cure}")
        warnings.warn(f"no gradient for {listed}, which stay as they are; {cure}", UserWarning, stacklevel=3)


def _gradient_of(gradient: Any, variable: Variable) -> Leaf | None:
    """The gradient behind a tensor or an array that a variable is to step on."""
    if isinstance(gradient, Operators):
        return gradient_in(gradient._edge(), variable._owner)
    return gradient_behind(gradient)


def _parts(x: Array) -> Array:
    """A complex array as real and imaginary parts along a last axis, each of which is a parameter."""
    return np.stack([x.real, x.imag], axis=-1) if x.dtype.kind == "c" else x


class FormulaOptimizer(Optimizer):
    """An optimiser of the server's table; `_formula` and `_rates` are the server's own, on NumPy's arrays."""

    starts: ClassVar[Mapping[str, str]] = {}  # the setting that a slot starts from; others start from 0
    _fixed: ClassVar[frozenset[str]] = frozenset({"slots", "settings", "starts"})
    _formula: ClassVar[Callable[..., tuple[Any, dict[str, Any]]]]
    _rates: ClassVar[Callable[..., dict[str, float]]]

    def update(self, w: Array, g: Array, slots: dict[str, Array], rate: float) -> Array:
        """The new value of `w` by the formula; `slots` are bound to their new values."""
        kind, settings = type(self), {name: getattr(self, name) for name in self.settings}
        rates = kind._rates(rate, self.iterations + 1, **settings)
        new, changed = kind._formula(w, g, slots, rates, **settings)
        slots.update(changed)
        moved: Array = new
        return moved

    def _start(self, slot: str, w: Array) -> Array:
        setting = self.starts.get(slot)
        return self.initial(w) if setting is None else np.full_like(w, getattr(self, setting))


def within(
    name: str, value: float, *, low: float | None = None, high: float | None = None, below: bool = False
) -> float:
    """A setting, if it is in an interval; `below` leaves its upper end out. Raises OptimizerError."""
    inside = (low is None or value >= low) and (high is None or (value < high if below else value <= high))
    if inside:
        return value
    if low is None or high is None:
        expected = f"of at least {low:g}" if high is None else f"of at most {high:g}"
    else:
        expected = f"of at least {low:g} and below {high:g}" if below else f"between {low:g} and {high:g}"
    article = "an" if name[0] in "aeiou" else "a"
    raise OptimizerError(f"expected {article} {name} {expected}, got {value}")

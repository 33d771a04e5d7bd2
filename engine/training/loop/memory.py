"""The numbers of a run: parameters as one flat vector, the optimiser's slots likewise, the layers' state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from engine import arrays
from engine.arrays import Namespace
from engine.arrays.types import Array
from engine.training.catalogue.initializers import INITIALIZERS, initial
from engine.training.catalogue.optimizers import Method
from engine.training.job.objective import Objective
from engine.training.model.builder import Weight


class Memory:
    """Arrays that stay in place while a run goes on. `parameters` are named views of the flat vector.

    They lie where `xp` computes; their first values are made on the host, the same for every device.
    """

    def __init__(self, objective: Objective, method: Method, seed: int, xp: Namespace | None = None) -> None:
        self._xp = xp = xp or arrays.numpy_namespace()
        first = {name: first_value(name, weight, seed) for name, weight in objective.parameters.items()}
        flat = np.empty(objective.size, next(iter(objective.parameters.values())).dtype)
        np.concatenate([value.reshape(-1) for value in first.values()], out=flat)
        self.flat: Any = xp.from_host(flat)
        self.parameters: dict[str, Any] = {}
        start = 0
        for name, weight in objective.parameters.items():
            size = prod(weight.shape)
            self.parameters[name] = self.flat[start : start + size].reshape(weight.shape)
            start += size
        self.slots = {name: xp.from_host(np.full_like(flat, value)) for name, value in method.slots.items()}
        self.state = {
            name: xp.from_host(first_value(name, state.weight, seed))
            for name, state in objective.state.items()
        }

    def arrays(self) -> dict[str, Any]:
        """The arrays themselves by a name of their own, as a snapshot has them."""
        return {
            **{f"parameters/{name}": array for name, array in self.parameters.items()},
            **{f"state/{name}": array for name, array in self.state.items()},
            **{f"slots/{name}": array for name, array in self.slots.items()},
        }

    def copies(self) -> dict[str, Any]:
        """What `restore` takes, where it computes."""
        return {name: array.copy() for name, array in self.arrays().items()}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        """Write back what `copies` gave, or a part of it; arrays of the host are brought first."""
        own = self.arrays()
        for name, array in arrays.items():
            own[name][...] = self._xp.from_host(array)

    def on_host(self, array: Any) -> Array:
        """One of the arrays as NumPy has it: itself on the CPU, brought from a device."""
        brought: Array = self._xp.to_host(array) if self._xp.on_device else array
        return brought

    def is_finite(self) -> bool:
        """Whether every parameter is; on the CPU the square of the norm says so in one pass, if it can."""
        if self._xp.on_device:
            return bool(self._xp.item(self._xp.all(self._xp.isfinite(self.flat))))
        with np.errstate(all="ignore"):
            return math.isfinite(self.flat @ self.flat) or bool(np.isfinite(self.flat).all())

    def overflown_slot(self) -> str | None:
        """The first of the optimiser's slots that holds an infinity or NaN."""
        for name, slot in self.slots.items():
            if not np.isfinite(self.on_host(slot)).all():
                return name
        return None


def first_value(name: str, weight: Weight, seed: int) -> Array:
    """What a parameter or state starts from: its given value, or a function of seed, name and initialiser."""
    if weight.value is not None:
        return np.array(weight.value, weight.dtype)
    chosen = weight.initializer or INITIALIZERS.read("zeros", "")
    return initial(chosen, seed=seed, name=name, shape=weight.shape, dtype=weight.dtype)

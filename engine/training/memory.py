"""The numbers of a run: parameters as one flat vector, the optimiser's slots likewise, the layers' state."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from engine.tensors import Array
from engine.training.initializers import INITIALIZERS, initial
from engine.training.objective import Objective
from engine.training.optimizers import Method
from engine.training.scope import Weight


class Memory:
    """Arrays that stay in place while a run goes on. `parameters` are named views of the flat vector."""

    def __init__(self, objective: Objective, method: Method, seed: int) -> None:
        self.flat = np.empty(objective.size, next(iter(objective.parameters.values())).dtype)
        self.parameters: dict[str, Array] = {}
        start = 0
        for name, weight in objective.parameters.items():
            size = prod(weight.shape)
            view = self.flat[start : start + size].reshape(weight.shape)
            view[...] = first_value(name, weight, seed)
            self.parameters[name] = view
            start += size
        self.slots = {name: np.full_like(self.flat, value) for name, value in method.slots.items()}
        self.state = {name: first_value(name, state.weight, seed) for name, state in objective.state.items()}

    def arrays(self) -> dict[str, Array]:
        """The arrays themselves by a name of their own, as a snapshot has them."""
        return {
            **{f"parameters/{name}": array for name, array in self.parameters.items()},
            **{f"state/{name}": array for name, array in self.state.items()},
            **{f"slots/{name}": array for name, array in self.slots.items()},
        }

    def copies(self) -> dict[str, Array]:
        """What `restore` takes."""
        return {name: array.copy() for name, array in self.arrays().items()}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Write back what `copies` gave, or a part of it."""
        own = self.arrays()
        for name, array in arrays.items():
            own[name][...] = array


def first_value(name: str, weight: Weight, seed: int) -> Array:
    """What a parameter or state starts from: its given value, or a function of seed, name and initialiser."""
    if weight.value is not None:
        return np.array(weight.value, weight.dtype)
    chosen = weight.initializer or INITIALIZERS.read("zeros", "")
    return initial(chosen, seed=seed, name=name, shape=weight.shape, dtype=weight.dtype)

"""Modules of other libraries under this package's name: `import gradwire.numpy`, which is not there."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import NoReturn

_CURES: Mapping[str, str] = {
    "numpy": "NumPy's functions record on tensors: import numpy as np, or write gw.sum(x)",
    "scipy": "functions of scipy.special are those of gradwire itself, such as gw.erf",
    "nn.functional": "its functions are those of gradwire itself: gw.relu(x), gw.softmax(x)",
    "optim": "import gradwire.optimizers",
    "autograd": "gw.grad(f), and with gw.GradientTape() as tape",
    "lax": "gw.scan, gw.while_loop, gw.cond and gw.map",
    "linalg": "its functions are those of gradwire itself: gw.solve, gw.inv, gw.det, gw.norm",
    "data": "arrays go into model.fit(x, y), and larger data to the server by client.upload",
    "utils": "arrays go into model.fit(x, y), and larger data to the server by client.upload",
    "tree_util": "structures are plain dicts and lists: {k: p[k] - rate * g[k] for k in p}",
    "tensorflow": "import gradwire as tf",
    "torch": "import gradwire as gw; docs/from-pytorch.md has what differs",
}


class _Absent(MetaPathFinder):
    """Asked last, for modules that nobody else has found."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        package, _, name = fullname.partition(".")
        if package == __package__.partition(".")[0] and name:
            cure = next((_CURES[key] for key in (name, name.partition(".")[0]) if key in _CURES), None)
            if cure is not None:
                self._refuse(fullname, cure)

    def _refuse(self, fullname: str, cure: str) -> NoReturn:
        raise ModuleNotFoundError(f"No module named {fullname!r}: {cure}", name=fullname)


def install() -> None:
    """Have imports of such modules raise ModuleNotFoundError with what to write instead."""
    if not any(isinstance(finder, _Absent) for finder in sys.meta_path):
        sys.meta_path.append(_Absent())

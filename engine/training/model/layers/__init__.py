"""Layers under Keras's names, arguments and defaults, found without a list to edit.

Every module here has its `LAYERS`; a layer is one record, and it is all that the expansion knows of it.
"""

from __future__ import annotations

import importlib
import pkgutil

from engine.training.catalogue.registry import Registry
from engine.training.model.layers.layer import Layer


def _found() -> list[Layer]:
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__, f"{__name__}."))
    return [layer for name in modules for layer in getattr(importlib.import_module(name), "LAYERS", ())]


LAYERS = Registry("layer", _found())

__all__ = ["LAYERS", "Layer"]

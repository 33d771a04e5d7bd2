"""Ops whose attributes are functions: loops, branches, maps, checkpoints, and derivatives inside graphs.

They stand above the walks because their own derivatives record walks of their functions. Importing this
package enters them into the table, as `engine.ops` does with the others.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)

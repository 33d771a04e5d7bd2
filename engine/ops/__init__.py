"""The ops: one record each, in modules by group. Importing this package fills `engine.ir.table.TABLE`.

Every module below this folder is imported; there is no list to edit.
"""

import importlib
import pkgutil

for _module in pkgutil.walk_packages(__path__, f"{__name__}."):
    importlib.import_module(_module.name)

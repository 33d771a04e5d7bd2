"""Every op of the server by its names: NumPy's functions and messages look them up here.

`ops` and `extra_ops` fill the table when they are imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Every name and alias of an op, to the function that records it.
FUNCTIONS: dict[str, Callable[..., Any]] = {}

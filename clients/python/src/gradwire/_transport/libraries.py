"""Which HTTP library carries requests: httpx2 if it is installed, else httpx, which has the same API.

httpx is the dependency that is declared. A transport of the user's own belongs to one of the two, and so does
the client that is made with it.
"""

from __future__ import annotations

import functools
import importlib
import sys
from typing import Any

_NAMES = ("httpx2", "httpx")  # the maintained successor first


@functools.cache
def preferred() -> Any:
    """The module of the library that is used if nothing else is said."""
    try:
        return importlib.import_module(_NAMES[0])
    except ImportError:
        return importlib.import_module(_NAMES[1])


def library_of(transport: object) -> Any:
    """The module of the library that a transport belongs to; the preferred one for None."""
    if transport is None:
        return preferred()
    modules = (sys.modules.get(name) for name in _NAMES)
    kinds = [(module, (module.BaseTransport, module.AsyncBaseTransport)) for module in modules if module]
    own = next((module for module, bases in kinds if isinstance(transport, bases)), None)
    return own or importlib.import_module(_NAMES[1])

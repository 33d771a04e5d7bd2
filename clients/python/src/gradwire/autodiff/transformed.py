"""Functions made of other functions, such as `grad(f)`, as objects that pickle whenever `f` does.

A closure does not pickle, and a worker that cannot unpickle its task makes a pool wait for ever.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from types import FrameType, MethodType
from typing import Any

_BY_VALUE = ("cloudpickle", "dill", "joblib.externals")  # picklers that write functions themselves


class Transformed:
    """`function`, transformed: it keeps the function's name, docstring and signature.

    A subclass is called as `subclass(function, **options)`, and says in `__call__` what it does with both.
    Where it stands as a method of a class, it is bound as a function would be.
    """

    __name__: str
    __qualname__: str

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        own = {} if isinstance(function, Transformed) else getattr(function, "__dict__", {})
        vars(self).update(own)
        functools.update_wrapper(self, function, updated=())
        self._function = function
        self._options: Mapping[str, Any] = options

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the transformed function returns for these arguments."""
        raise NotImplementedError

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        return self if owner is None else MethodType(self, owner)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if _stands_under_its_name(self) and not (self.__module__ == "__main__" and _writes_functions()):
            return self.__qualname__  # a decorated function: what it wraps has no name of its own
        return super().__reduce_ex__(protocol)

    def __repr__(self) -> str:
        name = getattr(self, "__qualname__", None) or repr(self._function)
        return f"<{type(self).__name__.lstrip('_')} of {name}>"


def _stands_under_its_name(thing: Any) -> bool:
    """Whether importing the object's module and looking its name up gives the object itself."""
    value: Any = sys.modules.get(thing.__module__)
    for part in getattr(thing, "__qualname__", "").split("."):
        value = getattr(value, part, None)
    return value is thing


def _writes_functions() -> bool:
    """Whether the pickler at work writes functions of `__main__` by value, as for joblib's workers."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(_BY_VALUE):
            return True
        frame = frame.f_back
    return False

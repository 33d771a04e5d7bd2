"""What is this package's own: a thing that a user wrote is never taken for the built-in of the same name."""

from __future__ import annotations

import sys
from typing import Any

from gradwire._locations import Place
from gradwire.errors import NotTraced

_PACKAGE = __name__.partition(".")[0]
_LOOP = (
    "train with it in a loop of your own: `with gradwire.GradientTape() as tape:` compute the loss, then "
    "`optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))`"
)


def is_own(thing: Any) -> bool:
    """Whether a class or function is the very one that this package defines, by identity."""
    module = getattr(thing, "__module__", None) or ""
    name = getattr(thing, "__qualname__", "")
    inside = isinstance(module, str) and module.partition(".")[0] == _PACKAGE
    return inside and vars(sys.modules.get(module, object)).get(name) is thing


def plays(thing: Any, *roles: str) -> bool:
    """Whether an object is of a class of this package, or of one derived from it, that has one of `roles`.

    So rooms below a class know what its objects are for without importing it.
    """
    bases = [base for base in type(thing).__mro__ if "_role" in vars(base)]
    return bool(bases) and is_own(bases[0]) and vars(bases[0])["_role"] in roles


def own_class(thing: Any, what: str, cure: str = _LOOP) -> type[Any]:
    """The class of an object of this package; raises NotTraced for an object of another class.

    `what` is what the object is for: a loss, a layer.
    """
    kind = type(thing)
    if is_own(kind):
        return kind
    bases = [base.__name__ for base in kind.__mro__[1:] if is_own(base)]
    kin = f", a subclass of {bases[0]}" if bases else ""
    raise NotTraced(
        f"the {what} {kind.__name__} is a class of your own{kin}: a job runs on the server, which "
        f"has not got it, and knows built-ins by identity, never by name; {cure}"
    )


def own_function(function: Any, what: str, cure: str = _LOOP) -> str:
    """The name on the wire of a function of this package; raises NotTraced for any other one."""
    if is_own(function):
        return str(function.__name__)
    name = getattr(function, "__name__", None) or type(function).__name__
    code = getattr(function, "__code__", None)
    place = f" ({Place(code.co_filename, code.co_firstlineno)})" if code is not None else ""
    raise NotTraced(
        f"the {what} '{name}' is a function of your own{place}: a job runs on the server, which has not got "
        f"it, and knows built-ins by identity, never by name; {cure}"
    )

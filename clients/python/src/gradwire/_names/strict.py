"""Objects that refuse what they do not know: unknown keywords when they are made, unknown attributes later.

Python takes any attribute, so that `layer.trianable = False` and `model.optimizer = …` would change nothing,
without a word.
"""

from __future__ import annotations

import functools
import inspect
from abc import ABCMeta
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, ParamSpec, TypeVar

from gradwire._names.missing import Table, advice, unknown
from gradwire._names.own import is_own

P = ParamSpec("P")
T = TypeVar("T")


class StrictType(ABCMeta):
    """The type of classes whose objects refuse what they do not know."""

    @property
    def __signature__(cls) -> inspect.Signature:
        """The constructor's, for `help` and editors."""
        whole = inspect.signature(cls.__init__)  # type: ignore[misc]  # a class's own, not an object's
        return whole.replace(parameters=list(whole.parameters.values())[1:])

    def __call__(cls, *args: Any, **keywords: Any) -> Any:
        """Make an object; raises TypeError for a keyword that its class does not have."""
        check = getattr(cls, "_check_arguments", None)
        if check is not None:
            check(args, keywords)
        parameters = _parameters(cls)
        cures = getattr(cls, "_cures", {})
        if parameters is not None:
            keywords = _expected(cls.__name__, keywords, parameters, cures)
        thing = super().__call__(*args, **keywords)
        vars(thing)["_made"] = True
        return thing


class Strict(metaclass=StrictType):
    """An object whose attributes are those that it was made with; `_fixed` ones are set only then.

    `_cures` say by name what to do instead of giving or setting something, `_absent` instead of reading it.
    What a user derives has attributes of its own.
    """

    _cures: ClassVar[Table] = {}
    _absent: ClassVar[Table] = {}
    _fixed: ClassVar[frozenset[str]] = frozenset()

    def __setattr__(self, name: str, value: Any) -> None:
        if "_made" not in vars(self) or name.startswith("_") or self._accepts(name):
            object.__setattr__(self, name, value)
            return
        kind = type(self).__name__
        if name in self._fixed or name in self._settings():
            cure = self._cures.get(name, f"make another {kind}")
            raise AttributeError(f"'{name}' of {kind} is set when it is made, and never after; {cure}")
        text = advice(name, (self._cures,), sorted(self._settable()), "it has")
        raise AttributeError(f"{kind} has no attribute '{name}' to set; {text}", name=name)

    def __getattr__(self, name: str) -> Any:
        settings = self._settings()
        if name in settings:
            return settings[name]
        kind = type(self)
        raise unknown(f"'{kind.__name__}' object", name, (self._absent, self._cures), [*dir(kind), *settings])

    def _settings(self) -> Mapping[str, Any]:
        settings = vars(self).get("settings")
        return settings if isinstance(settings, Mapping) else {}

    def _accepts(self, name: str) -> bool:
        if name in self._fixed or name in self._cures:
            return False
        return name in vars(self) or name in self._settable() or not is_own(type(self))

    def _settable(self) -> set[str]:
        """The public attributes that may be set: data, and properties with a setter."""
        names: set[str] = set()
        for kind in reversed(type(self).__mro__):
            names |= {*vars(kind).get("__annotations__", ())}
            for name, value in vars(kind).items():
                settable = value.fset is not None if isinstance(value, property) else not callable(value)
                (names.add if settable else names.discard)(name)
        names |= {*vars(self)}
        return {name for name in names if not name.startswith("_")} - self._fixed


def takes(what: str, **cures: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a function, called `what` in messages, to name what it has where a keyword is unknown."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        parameters = inspect.signature(function).parameters

        @functools.wraps(function)
        def checked(*args: P.args, **keywords: P.kwargs) -> T:
            accepted: Any = _expected(what, keywords, [*parameters][1:], cures)
            return function(*args, **accepted)

        return checked

    return decorate


def _expected(what: str, keywords: Mapping[str, Any], names: Iterable[str], cures: Table) -> dict[str, Any]:
    """The keywords, less those of Keras's that are None; raises TypeError for one that is not known."""
    names = list(names)
    accepted = {}
    for name, value in keywords.items():
        if name in names:
            accepted[name] = value
        elif not (value is None and name in cures):
            raise TypeError(f"{what} has no keyword '{name}'; {advice(name, (cures,), names, 'it takes')}")
    return accepted


def _parameters(kind: type[Any]) -> list[str] | None:
    """What the constructors of a class take by keyword; None where one of them takes anything."""
    names: dict[str, None] = {}
    for base in kind.__mro__:
        own = vars(base).get("__init__")
        if own is None or base is object:
            continue
        parameters = list(inspect.signature(own).parameters.values())[1:]
        names |= {p.name: None for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            return list(names)
        if not is_own(base):
            return None
    return list(names)

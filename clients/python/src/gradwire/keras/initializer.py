"""What initialisers share: settings that travel with a layer to the server or process that draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gradwire._names.own import own_class
from gradwire._names.strict import Strict
from gradwire.keras import cures

OWN_VALUES = "draw the values yourself: `model.build((None, …))`, then `model.set_weights([…])`"


class Initializer(Strict):
    """What initialisers share: a name on the wire and settings; those that are None are left out."""

    _wire_name: ClassVar[str] = ""
    _fixed: ClassVar[frozenset[str]] = frozenset({"settings"})
    _cures: ClassVar[Mapping[str, str]] = cures.INITIALIZER

    def __init__(self, **settings: Any) -> None:
        self.settings = {name: value for name, value in settings.items() if value is not None}

    def document(self) -> dict[str, Any]:
        """As the wire has it; raises NotTraced for a class of the user's own."""
        return {"name": own_class(self, "initializer", OWN_VALUES)._wire_name, **self.settings}

"""Names of classes as the wire has them."""

from __future__ import annotations

import re


def snake_case(kind: type) -> str:
    """A class's name in the manner of the wire.

    >>> snake_case(type("TopKCategoricalAccuracy", (), {}))
    'top_k_categorical_accuracy'
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()

"""What the server warns of with an answer, told at the user's line and in the user's own words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from gradwire._client.pasting import Locate, is_generated, names_inner, pasted
from gradwire._locations import Place
from gradwire._notices import warn
from gradwire._tracing.node import Op
from gradwire.errors import GradientWarning

Warned = tuple[Mapping[str, Any], Place | None]

_CURE = re.compile(r"(?:Write|Give) (?:(?!\bWrite\b|\bGive\b).)*$", re.DOTALL)

#: What to do about a mistake inside of a model, whose layers and losses have no text of the user's.
_IN_MODELS = {
    "of probabilities already": "Leave the last activation out, or give the loss from_logits=False.",
    "has any values": "Give the loss from_logits=True, or the last layer the activation {activation}.",
}


def advise_answer(warned: Iterable[Warned], locate: Locate) -> None:
    """Warn of what the server warned of with gradients, such as shapes that meet by accident.

    What `masked_backward` did was asked for: `explain` tells it.
    """
    for warning, place in warned:
        if warning.get("code") != "masked":
            text = in_own_words(warning, locate) + (f" At {place}." if place else "")
            same = re.sub(r"\d+", "", str(warning.get("message")))  # sizes may differ from step to step
            warn(GradientWarning, text, (warning.get("code"), str(place), same))


def in_own_words(warning: Mapping[str, Any], locate: Locate) -> str:
    """A warning's message, in which names that the tracing made up are the user's own texts."""
    message, node = str(warning.get("message") or ""), warning.get("node")
    text = pasted(message, node, locate)
    cure = _CURE.search(text)
    if warning.get("code") != "likely_mistake" or cure is None or not names_inner(cure[0], locate):
        return text
    return f"{_of_model(text[: cure.start()], locate)}{_cure_of_model(message)}"


def _of_model(message: str, locate: Locate) -> str:
    """A message, in which a node of a model is called by its op and the line that called the model."""

    def called(match: re.Match[str]) -> str:
        place = locate(match[1])
        node = None if place is None else place[0].items[place[2]].node
        if not isinstance(node, Op) or not is_generated(match[1]):
            return match[0]
        return f"the {node.op} of the model" if node.place else match[0]

    message = re.sub(r"^(\w+) at '\w+'", r"\1", message)
    message = re.sub(r"takes .* for probabilities", "takes what the model returns for probabilities", message)
    return re.sub(r"'([a-z]\w*)'", called, message)


def _cure_of_model(message: str) -> str:
    if "wrong way round" in message:
        return "Labels come first: loss(y_true, y_pred)."
    if "already" in message:
        return _IN_MODELS["of probabilities already"]
    activation = "'sigmoid'" if message.startswith("binary") else "'softmax'"
    return _IN_MODELS["has any values"].format(activation=activation)

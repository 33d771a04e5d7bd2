"""Inputs that are given and that no node reads, and the constant that may be read in place of one."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from engine.diagnosis.evidence.structure import Graphing
from engine.diagnosis.texts.caveat import Caveat
from engine.diagnosis.texts.source_text import names_in

#: Constants that a program knows by name; e is as often the name of something else.
CONSTANTS = {"e": "Euler's number, 2.718", "pi": "3.14159"}


def unread_inputs(graph: Graphing, unread: Collection[str], inputs: Collection[str]) -> Iterator[Caveat]:
    """A warning for each of the inputs `unread`; `inputs` are all that have a value."""
    if not unread:
        return
    words = {word for step in graph.steps for word in names_in(step.origin)}
    nodes = {step.origin.node for step in graph.steps}
    read = [word for word in CONSTANTS if word in words and word not in nodes and word not in inputs]
    for name in unread:
        sentence = "unread_input"
        arguments = {"name": name}
        if read:
            sentence = "unread_beside_constant"
            arguments |= {"word": read[0], "number": CONSTANTS[read[0]]}
        yield Caveat("likely_mistake", name, sentence, arguments)

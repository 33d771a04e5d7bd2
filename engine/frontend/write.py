"""A tape as a graph document: what was derived, written so that it can be sent, kept and run again.

The document may name ops that are marked internal; `decode_graph` takes them, programs do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.frontend.graph import VERSION
from engine.frontend.tensors import encode_tensor
from engine.ir.attributes import to_json
from engine.ir.tape import Instruction, Tape

READABLE = 64  # constants of up to so many elements are written as numbers, larger ones as bytes


def graph_document(tape: Tape, outputs: Mapping[str, int]) -> dict[str, Any]:
    """The tape with the slots `outputs` under names of their own; inputs keep names, shapes and dtypes."""
    functions: dict[str, Any] = {}
    body = _Body(tape, functions, {name: name for name in tape.inputs}, {*tape.inputs, *outputs})
    nodes = [body.node(step) for step in tape.instructions]
    nodes += [
        {"name": name, "op": "identity", "inputs": [body.reference(slot)]} for name, slot in outputs.items()
    ]
    inputs = {
        name: {"shape": list(tape.types[slot].shape), "dtype": tape.types[slot].dtype}
        for name, slot in tape.inputs.items()
    }
    document = {"version": VERSION, "inputs": inputs, **body.constants(), "nodes": nodes}
    document["outputs"] = list(outputs)
    return {**document, "functions": functions} if functions else document


class _Body:
    """One tape being written: names for its slots, and the functions met on the way."""

    def __init__(
        self, tape: Tape, functions: dict[str, Any], inputs: Mapping[str, str], names_in_use: set[str]
    ) -> None:
        self.tape = tape
        self.functions = functions
        self.names_in_use = names_in_use
        self.names = {slot: inputs[name] for name, slot in tape.inputs.items()}
        self.function_names: dict[int, str] = {}
        for slot in tape.constants:
            self.names[slot] = self._fresh("constant")

    def reference(self, slot: int) -> str:
        """The name by which a slot is read."""
        return self.names[slot]

    def constants(self) -> dict[str, Any]:
        """The constants, exactly."""
        written = {
            self.names[slot]: encode_tensor(value, "typed" if value.size <= READABLE else "base64")
            for slot, value in self.tape.constants.items()
        }
        return {"constants": written} if written else {}

    def node(self, step: Instruction) -> dict[str, Any]:
        """One instruction."""
        name = self._fresh(step.op.name)
        for k, slot in enumerate(step.outputs):
            self.names[slot] = f"{name}:{k}" if k else name
        node: dict[str, Any] = {
            "name": name,
            "op": step.op.name,
            "inputs": [self.names[slot] for slot in step.inputs],
        }
        attributes = {
            key: self._function(value) if isinstance(value, Tape) else to_json(value)
            for key, value in step.attributes.items()
            if value is not None or key in step.op.nullable
        }
        return {**node, "attributes": attributes} if attributes else node

    def _function(self, tape: Tape) -> str:
        name_before = self.function_names.get(id(tape))
        if name_before is not None:
            return name_before
        name = f"function_{len(self.functions) + 1}"
        self.function_names[id(tape)] = name
        self.functions[name] = {}  # its place, before those that it calls
        inputs = {own: f"input_{k}" for k, own in enumerate(tape.inputs)}
        body = _Body(tape, self.functions, inputs, set(inputs.values()))
        nodes = [body.node(step) for step in tape.instructions]
        outputs = [body.reference(slot) for slot in tape.outputs]
        self.functions[name] = {
            "inputs": list(inputs.values()),
            **body.constants(),
            "nodes": nodes,
            "outputs": outputs,
        }
        return name

    def _fresh(self, stem: str) -> str:
        count = len(self.names) + 1
        while f"{stem}_{count}" in self.names_in_use:
            count += 1
        name = f"{stem}_{count}"
        self.names_in_use.add(name)
        return name

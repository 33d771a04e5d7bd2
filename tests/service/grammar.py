"""Random requests: programs by grammar, graphs by structure, and bytes that are nearly requests."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, Final

from engine.ir.table import TABLE

_OPS: Final = sorted(TABLE)
_NUMBERS: Final = (
    "0", "1", "-1", "2", "0.5", "1e308", "-1e308", "1e-320", "1j", "3", "7", "64", "100", "inf", "nan", "pi"
)  # fmt: skip
_ATTRIBUTES: Final = sorted({attribute.name for op in TABLE.values() for attribute in op.attributes})
_DTYPES: Final = (
    "float64",
    "float32",
    "float16",
    "int64",
    "int8",
    "bool",
    "complex128",
    "complex64",
    "uint8",
)
_VALUES: Final[tuple[Any, ...]] = (
    0, 1, -1, 2, 0.5, 10**6, 10**20, -(10**20), True, None, "x", "Infinity", "NaN", "", [], [0], [1, 2], [-1],
    [[1]], [[1, 2], [3]], {}, {"a": 1}, "float32", "mean", "f", [True], [None], [10**9, 10**9], [0] * 70,
)  # fmt: skip
_TENSORS: Final[tuple[Any, ...]] = (
    1.5, [1.0, 2.0], [[1.0, 2.0], [3.0, 4.0]], [0, 1], [], [[]], 0, -1, True, ["NaN", "Infinity"],
    [1e308, -1e308],
    {"dtype": "float32", "shape": [2], "data": [1.0, 2.0]},
    {"dtype": "complex128", "shape": [2], "data": [[1.0, 2.0], [0.0, 1.0]]},
    {"dtype": "int8", "shape": [2], "data": [127, -128]},
    {"dtype": "float64", "shape": [0, 3], "data": []},
    {"dtype": "float64", "shape": [1], "data": {"encoding": "base64", "buffer": "AAAAAAAA8D8="}},
    [[[1.0]]], [1, 2.5], {"dtype": "bool", "shape": [2], "data": [True, False]},
)  # fmt: skip
KINDS: Final = (
    "gradient",
    "evaluate",
    "jacobian",
    "hessian",
    "jvp",
    "vjp",
    "hvp",
    "gnvp",
    "diagnose",
    "check",
)

Request = tuple[str, bytes]


class Grammar:
    """Requests from one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def request(self) -> Request:
        """A kind of query and a body."""
        make: Callable[[], dict[str, Any]] = self.rng.choice((self.by_text, self.by_text, self.by_graph))
        body = self.options(make())
        kind = self.rng.choice((*KINDS, *KINDS, "estimate", "publish"))
        if kind == "estimate":
            shapes = ([], [2], [2, 2], [0], [10**6], [10**12], [1] * 64)
            body["inputs"] = {name: {"shape": self.rng.choice(shapes)} for name in body.get("inputs", ())}
        if kind in ("jvp", "hvp", "gnvp", "vjp"):
            field = {"jvp": "tangents", "vjp": "cotangents"}.get(kind, "vectors")
            body[field] = {self.rng.choice("xyzr"): self.rng.choice(_TENSORS)}
        data = json.dumps(body).encode()
        return kind, self.damaged(data) if self.rng.random() < 0.15 else data

    def options(self, body: dict[str, Any]) -> dict[str, Any]:
        """With a few options, right and wrong."""
        rng = self.rng
        body["inputs"] = {name: rng.choice(_TENSORS) for name in "xyz" if rng.random() < 0.8}
        choices: dict[str, Any] = {
            "wrt": ["x"], "target": "r", "outputs": ["r"], "dtype": rng.choice(_DTYPES), "stabilize": True,
            "batch": ["x"], "sparse": True, "method": "forward", "diagnose": "full", "return_graph": True,
            "receipt": True, "masked_backward": True, "unconnected": "zero", "optimize": False,
            "encoding": rng.choice(("typed", "base64", "json")),
        }  # fmt: skip
        for name, value in choices.items():
            if rng.random() < 0.06:
                body[name] = value if rng.random() < 0.85 else rng.choice(_VALUES)
        return body

    # -- programs ----------------------------------------------------------------------------------------

    def by_text(self) -> dict[str, Any]:
        """A program of a few lines, with functions."""
        rng, lines = self.rng, []
        functions: list[str] = []
        for k in range(rng.randrange(3)):
            arguments = rng.choice((["a"], ["a", "b"], ["a"]))
            body = self.expression(rng.randrange(1, 4), arguments, functions)
            lines.append(f"def f{k}({', '.join(arguments)}): return {body}")
            functions.append(f"f{k}")
        names = ["x", "y", "z"]
        for k in range(rng.randrange(3)):
            lines.append(f"v{k} = {self.expression(3, names, functions)}")
            names.append(f"v{k}")
        last = self.expression(4, names, functions)
        lines.append(f"r = sum({last})" if rng.random() < 0.6 else f"r = {last}")
        return {"program": "\n".join(lines)}

    def expression(self, depth: int, names: list[str], functions: list[str]) -> str:
        """An expression, mostly well formed."""
        rng = self.rng
        if depth <= 0 or rng.random() < 0.15:
            return rng.choice(names) if rng.random() < 0.75 else rng.choice(_NUMBERS)
        inner = lambda: self.expression(depth - 1, names, functions)  # noqa: E731
        how = rng.random()
        if how < 0.25:
            operator = rng.choice(("+", "-", "*", "/", "**", "@", "<", "//", "%", "==", "&"))
            return f"({inner()} {operator} {inner()})"
        if how < 0.35:
            index = rng.choice(
                ("0", "-1", "1:", "::2", "None", "...", ":, 0", "[0, 1]", "5", inner(), "::-1", "0:0")
            )
            return f"({inner()})[{index}]"
        if how < 0.4:
            return f"[{inner()}, {inner()}]"
        if how < 0.5 and functions:
            op = rng.choice(
                ("", "", "gradient", "jacobian", "hessian", "scan", "map", "vmap", "cond", "checkpoint")
            )
            name = rng.choice(functions)
            return f"{op}({name}, {inner()})" if op else f"{name}({inner()})"
        arguments = [inner() for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 0)))]
        if rng.random() < 0.2:
            value = rng.choice(
                (*_NUMBERS, "(0, 1)", "(1, -1)", "[2]", "'mean'", "float32", "None", "True", "(2, 2)")
            )
            arguments.append(f"{rng.choice(('axis', 'keepdims', 'shape', *_ATTRIBUTES))}={value}")
        return f"{rng.choice(_OPS)}({', '.join(arguments)})"

    # -- graphs ------------------------------------------------------------------------------------------

    def by_graph(self) -> dict[str, Any]:
        """A graph of a few nodes, some of whose fields are wrong."""
        rng = self.rng
        names = ["x", "y", "z"]
        nodes: list[Any] = []
        for k in range(rng.randrange(1, 5)):
            op = TABLE[rng.choice(_OPS)]
            attributes = {
                attribute.name: "f" if attribute.kind.name == "function" else rng.choice(_VALUES)
                for attribute in op.attributes
                if rng.random() < 0.5
            }
            count = len(op.inputs) if rng.random() < 0.9 else rng.randrange(4)
            inputs = [rng.choice(names) if rng.random() < 0.9 else rng.choice(_VALUES) for _ in range(count)]
            nodes.append({"name": f"n{k}", "op": op.name, "inputs": inputs, "attributes": attributes})
            names.append(f"n{k}")
        graph: dict[str, Any] = {
            "inputs": {"x": {}, "y": {}, "z": {}},
            "nodes": nodes,
            "outputs": [names[-1]],
        }
        if rng.random() < 0.5:
            inner = {"name": "s", "op": rng.choice(("sum", "sin", "multiply")), "inputs": ["a"]}
            graph["functions"] = {"f": {"inputs": ["a"], "nodes": [inner], "outputs": ["s"]}}
        if rng.random() < 0.2:
            self.mutate(graph)
        return {"graph": graph}

    def mutate(self, document: Any) -> None:
        """Replace something somewhere."""
        rng = self.rng
        while isinstance(document, dict | list) and document:
            places: list[Any] = list(document) if isinstance(document, dict) else list(range(len(document)))
            place = rng.choice(places)
            if rng.random() < 0.4 or not isinstance(document[place], dict | list):
                document[place] = rng.choice(_VALUES)
                return
            document = document[place]

    # -- bytes -------------------------------------------------------------------------------------------

    def damaged(self, data: bytes) -> bytes:
        """Nearly the same bytes."""
        rng, changed = self.rng, bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(changed))
            how = rng.randrange(4)
            if how == 0:
                changed[place] = rng.randrange(256)
            elif how == 1:
                del changed[place : place + rng.randrange(1, 9)]
            elif how == 2:
                changed[place:place] = rng.choice(
                    (b"[", b'"', b"{", b"9" * 400, b"-", b"\\u0000", b"\xff", b"1e999")
                )
            else:
                changed[place:place] = changed[: rng.randrange(1, 40)]
            if not changed:
                return b""
        return bytes(changed)

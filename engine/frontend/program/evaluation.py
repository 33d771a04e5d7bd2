"""What calls, indices and checks for mistakes need of the evaluator that they write nodes with."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from engine.errors import SyntaxFault
from engine.frontend.graph import Graph, Number
from engine.frontend.program.body import Body, Ref
from engine.frontend.program.text import ProgramText
from engine.ir.op import Op

Value = Ref | Number
Functions = Callable[[str], Graph | None]


class Evaluation(Protocol):
    """Writes the nodes of expressions into a body.

    `functions` gives the function of a name, or None; `names` are the names that stand for literals.
    """

    text: ProgramText
    body: Body
    functions: Functions
    names: dict[str, Any]

    def value(self, node: ast.expr, kind: str = "numeric") -> Value:
        """What an expression stands for; lists of integers are int64 if an op's `kind` asks for it."""
        ...

    def operand(self, node: ast.expr, kind: str = "numeric") -> Value:
        """The value of an expression as one tensor."""
        ...

    def single(self, value: Value, node: ast.expr) -> Value:
        """`value`, provided that it is one tensor, as a node can take it."""
        ...

    def apply(
        self,
        op: Op,
        operands: Sequence[Value],
        attributes: Mapping[str, Any],
        node: ast.expr,
        count: int | None = 1,
    ) -> Ref:
        """Write a node; raises WrongArity and InvalidAttribute with the place in the text."""
        ...

    def op(self, name: str, node: ast.expr) -> Op:
        """The op called `name`; raises UnknownOp with the place in the text."""
        ...

    def refused(self, node: ast.expr, part: ast.AST | None = None) -> SyntaxFault:
        """The error for a part of Python that the language does not have: `part` of a node, or all of it."""
        ...

"""What an op is: one record, from which everything about it follows.

A record carries the op's name, its signature, the rule for shapes and dtypes, the kernel, the
derivative with respect to each input, its cost and the samples it is tested on. Validation,
inference, `GET /v1/ops`, OpenAPI, the docs page, the SDK's functions and every op's tests are read
from the table of records (`engine.ir.table`); nothing else lists the ops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.dtypes import TensorType
from engine.errors import InternalError
from engine.ir.attributes import REQUIRED, Attribute
from engine.ir.dependence import Dependence
from engine.ir.derivative import Derivative, Rule
from engine.ir.input import Input
from engine.ir.kernel import Kernel
from engine.ir.rules import Rules
from engine.ir.samples import Sample, Samples

Infer = Callable[..., tuple[TensorType, ...]]


@dataclass(frozen=True, slots=True)
class Family:
    """What ops of one kind share: how tangents pass them, and defaults for their rules and samples.

    `samples(count)` gives the samples of an op of `count` inputs.
    """

    name: str
    jvp: Literal["elementwise", "double_vjp", "linear", "carry"]
    batch: Rule | None = None
    samples: Callable[[int], Sequence[Sample]] | None = None
    dependence: Dependence | None = None


@dataclass(frozen=True, eq=False)
class Op:
    """The record of one op. See the module's page for what follows from it.

    Its parts say how it is computed (`kernel`), differentiated (`derivative`), transformed and estimated
    (`rules`) and tested (`samples`). Either the kernel computes it, or `formula(*variables, **attributes)`
    expands it into other ops when it is recorded. The constructors in `engine.ir.families` take the fields
    of all parts as one flat list.

    `infer(types, **attributes)` gives the outputs' types, `normalize` first makes axes and shapes definite;
    an op that `flattens` takes its inputs as vectors of all their elements if `axis` is None. `outputs` are
    the outputs' names, None if the attributes decide how many; an op that `joins` takes a list of tensors, as
    in NumPy, where one tensor alone would be the list of its rows. An `internal` op is recorded by rules and
    passes only, never by users.
    """

    name: str
    family: Family
    summary: str
    inputs: tuple[Input, ...]
    kernel: Kernel
    derivative: Derivative
    rules: Rules
    samples: Samples
    infer: Infer | None = None
    formula: Callable[..., Any] | None = None
    aliases: tuple[str, ...] = ()
    group: str = ""
    attributes: tuple[Attribute, ...] = ()
    outputs: tuple[str, ...] | None = ("result",)
    normalize: Callable[..., Mapping[str, Any]] | None = None
    flattens: bool = False
    joins: bool = False
    internal: bool = False
    conventions: str = ""

    def __call__(self, *inputs: Any, **attributes: Any) -> Any:
        """Record this op on the tape of its first variable; numbers become weak constants."""
        for value in inputs:
            tape = getattr(value, "tape", None)
            if tape is not None:
                return tape.apply(self, inputs, attributes)
        raise InternalError(f"{self.name} was called without a tape variable", op=self.name)

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    @property
    def variadic(self) -> bool:
        """Whether the last input takes any number of arrays."""
        return bool(self.inputs) and self.inputs[-1].variadic

    @property
    def nullable(self) -> frozenset[str]:
        """The attributes whose null is not their default."""
        return frozenset(a.name for a in self.attributes if a.nullable and a.default is not None)

    def input(self, position: int) -> Input:
        """The parameter that the array at `position` is bound to."""
        inputs = self.inputs
        return inputs[position] if position < len(inputs) else inputs[-1]

    @property
    def signature(self) -> str:
        """The call as in NumPy: arrays first, then attributes with their defaults."""
        parts = [f"*{i.name}" if i.variadic else i.name for i in self.inputs]
        for attribute in self.attributes:
            required = attribute.default is REQUIRED
            parts.append(attribute.name if required else f"{attribute.name}={attribute.default!r}")
        return f"{self.name}({', '.join(parts)})"

    @property
    def lists(self) -> bool:
        """Whether it returns a list of tensors, even if there is only one."""
        return self.outputs is None and self.rules.functions is None

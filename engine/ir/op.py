"""What an op is: one record, from which everything about it follows.

A record carries the op's name, its signature, the rule for shapes and dtypes, the kernel, the
derivative with respect to each input, its cost and the samples it is tested on. Validation,
inference, `GET /v1/ops`, OpenAPI, the docs page, the SDK's functions and every op's tests are read
from the table of records; nothing else lists the ops.

A VJP rule is a formula over tape variables, `rule(g, y, *inputs, **attributes)`: `g` is the
cotangent of the output `y`. It records itself, so gradients of gradients need no second rule set.
Un-broadcasting, accumulation and pruning belong to the walk in `engine.transforms.vjp`, never to a rule.

Of complex tensors a cotangent pairs with a change without a conjugate: the target moves by Re(Σ g dy). So
`g * f'(x)` is the rule of a holomorphic op for real and complex numbers alike, and a real input takes the
real part of what its rule answers. Users see the conjugate (`engine.derivatives`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.dtypes import TensorType, is_integer
from engine.errors import InternalError, UnknownOp, slip_of
from engine.ir import substitutes
from engine.ir.attributes import REQUIRED, Attribute
from engine.ir.function_rules import FunctionRule

Forward = Callable[..., Any]
Rule = Callable[..., Any]
Infer = Callable[..., tuple[TensorType, ...]]
InputKind = Literal["any", "numeric", "floating", "real_floating", "real", "integer", "index", "boolean"]


_COMPLEX_KINDS = ("any", "numeric", "floating")  # the kinds of input that take complex tensors


@dataclass(frozen=True, slots=True)
class NoGradient:
    """An edge that carries no gradient, and why.

    `kind` is what the walk does: pass nothing (`nondifferentiable`, `stop`) or refuse
    (`not_implemented`). `reason` goes on the wire in a diagnosis; `why` is for people, and `cure` says
    what to write instead. Where a cut is `covered` the derivative takes another way: nothing is lost.
    """

    kind: Literal["nondifferentiable", "stop", "not_implemented"]
    reason: str
    why: str
    cure: str = ""
    covered: bool = False


def JOINT(*_: Any, **__: Any) -> Any:
    """In place of a rule where the op's `pullback` gives the cotangents of all inputs at once."""
    raise InternalError("an op without a pullback marks its inputs as differentiated jointly")


@dataclass(frozen=True, slots=True)
class Accumulate:
    """A rule's answer that adds itself into the cotangent gathered so far, instead of being summed.

    `add(total)` records the sum; the walk starts it on zeros where nothing was gathered yet. Adjoints
    of indexing are of this kind, so that many reads of one tensor never make padded arrays.
    """

    add: Callable[[Any], Any]


def nondifferentiable(why: str, *, reason: str = "nondifferentiable", cure: str = "") -> NoGradient:
    """An edge whose derivative is zero wherever it exists, such as that of `round`."""
    return NoGradient("nondifferentiable", reason, why, cure)


def stop(why: str) -> NoGradient:
    """An edge that the user cut on purpose."""
    return NoGradient("stop", "stop_gradient", why)


def not_implemented(why: str) -> NoGradient:
    """An edge whose derivative exists but is not written yet."""
    return NoGradient("not_implemented", "not_implemented", why)


@dataclass(frozen=True, slots=True)
class Input:
    """One array parameter of an op.

    `kind` says which dtypes it takes: `floating` computes integers in float64, `real_floating` too
    and refuses complex, `numeric` refuses booleans, `real` complex and booleans, `index` and `integer`
    take integers (an index also bool).
    Inputs with `promote` share one dtype. A variadic input comes last and takes one or more arrays;
    its rule gets the position first: `rule(i, g, y, *inputs, **attributes)`.
    """

    name: str
    vjp: Rule | NoGradient
    kind: InputKind = "numeric"
    promote: bool = True
    variadic: bool = False
    minimum: int = 1


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of an instruction takes: floating-point operations, bytes moved, scratch bytes.

    `kept` is how much of the scratch stays until the whole run is over, as the buffers of a function do.

    An elementwise op counts one operation an element; `slow` is the further time that it takes, as a number
    of simple operations, so that an exponential or a loop of many calls is predicted rightly.
    """

    flops: int
    bytes: int
    workspace: int = 0
    slow: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Domain:
    """An interval that keeps an input's test values away from kinks and poles."""

    low: float = -2.0
    high: float = 2.0
    away_from_zero: float = 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One case on which an op is tested and shown: a shape or literal values for each input."""

    inputs: tuple[Any, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Family:
    """What ops of one kind share: how they batch and push tangents forward, which samples test them, which
    elements they read.
    """

    name: str
    jvp: Literal["elementwise", "double_vjp", "linear", "carry"]
    batch: Rule | None = None
    samples: Callable[[Op], Sequence[Sample]] | None = None
    reach: Rule | None = None


@dataclass(frozen=True, eq=False)
class Op:
    """The record of one op. See the module's page for what follows from it.

    Either `forward(xp, *arrays, **attributes)` computes it, with every array already in the
    promoted dtype, or `formula(*variables, **attributes)` expands it into other ops when recorded.

    `infer(types, **attributes)` gives the outputs' types, `normalize` first makes axes and shapes definite;
    an op that `flattens` takes its inputs as vectors of all their elements where `axis` is None.
    `pullback(gs, ys, *inputs, **attributes)` gives the cotangents of all inputs at once where the inputs'
    rules are `JOINT`, `pushforward(tangents, inputs, **attributes)` the tangents of all outputs.
    `functions` says how function attributes bind; a `takes_needed` kernel is told which of its outputs are
    `needed`. `batch` takes a leading batch axis (see `engine.ir.batch_rules`) where the family's rule does
    not fit, `reach` says which elements of the inputs an output element depends on (see
    `engine.ir.dependence_rules`) where the family's does not. `outputs` are the outputs' names, None where
    the attributes decide how many; an op that `joins` takes a list of tensors, as in NumPy, where one tensor
    alone would be the list of its rows. `ufunc` names the universal function that is the whole kernel, so
    that it can write into a buffer; one that `ufunc_excludes_integers` first is so for other dtypes only.
    `scalar` is the kernel on scalars, for fused loops. `linear_in` are the inputs in which it is linear taken
    together, the others held fixed; a `bilinear` op is linear in either of its two inputs. With attributes
    other than `linear_at` it is affine: its linear part is the op with those. An op that is not `holomorphic`
    has a derivative by the parts of its complex inputs only; `complex_rule` names the op that stands in for
    it on complex inputs, where other edges carry. `view` says that the output only looks at the first input
    (with these attributes), `in_place` that the kernel writes into its first array and returns it,
    `may_alias` that its array may be part of one of its own or lie in another order than C's, so that an
    answer is a copy. `nonsmooth_at` marks the elements at which the derivative jumps, `zero_reason` says why
    a derivative here vanishes.
    """

    name: str
    family: Family
    summary: str
    inputs: tuple[Input, ...]
    infer: Infer | None = None
    forward: Forward | None = None
    formula: Callable[..., Any] | None = None
    pullback: Rule | None = None
    pushforward: Rule | None = None
    batch: Rule | None = None
    reach: Any = None
    functions: FunctionRule | None = None
    takes_needed: bool = False
    aliases: tuple[str, ...] = ()
    group: str = ""
    attributes: tuple[Attribute, ...] = ()
    outputs: tuple[str, ...] | None = ("result",)
    normalize: Callable[..., Mapping[str, Any]] | None = None
    flattens: bool = False
    joins: bool = False
    ufunc: str | None = None
    ufunc_excludes_integers: bool = False
    scalar: Forward | None = None
    linear_in: frozenset[int] = frozenset()
    bilinear: bool = False
    linear_at: Mapping[str, Any] = field(default_factory=dict)
    holomorphic: bool = True
    complex_rule: str | None = None
    cost: Callable[..., Cost] | None = None
    view: bool | Callable[..., bool] = False
    in_place: bool = False
    may_alias: bool | Callable[..., bool] = False
    internal: bool = False
    domain: Domain | tuple[Domain, ...] = Domain()
    samples: tuple[Sample, ...] = ()
    conventions: str = ""
    nonsmooth_at: Callable[..., Any] | None = None
    zero_reason: Literal["saturated", "unselected", "zero_operand"] | None = None
    second_order: bool = True

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

    def domain_of(self, position: int) -> Domain:
        """Where test values of the input at `position` are drawn."""
        if isinstance(self.domain, Domain):
            return self.domain
        return self.domain[min(position, len(self.domain) - 1)]

    def whole_kernel(self, dtype: str) -> str:
        """The universal function that alone is the kernel for this dtype; empty where there is none."""
        return (
            "" if self.ufunc is None or (self.ufunc_excludes_integers and is_integer(dtype)) else self.ufunc
        )

    def is_view(self, attributes: Mapping[str, Any]) -> bool:
        """Whether the output shares the first input's memory."""
        return self.view(**attributes) if callable(self.view) else self.view

    def needs_copy(self, attributes: Mapping[str, Any]) -> bool:
        """Whether an answer has to be a copy of what the kernel makes."""
        return self.may_alias(**attributes) if callable(self.may_alias) else self.may_alias

    def is_affine(self, attributes: Mapping[str, Any]) -> bool:
        """Whether a constant is added to what is linear in the inputs `linear_in`."""
        return any(attributes[name] != value for name, value in self.linear_at.items())

    @property
    def lists(self) -> bool:
        """Whether it returns a list of tensors, of one tensor too."""
        return self.outputs is None and self.functions is None

    def cases(self) -> tuple[Sample, ...]:
        """The op's samples, else those of its family."""
        if self.samples or self.family.samples is None:
            return self.samples
        return tuple(self.family.samples(self))

    def _is_holomorphic(self) -> bool | None:
        """Whether it is a complex differentiable function of its complex inputs; None where it takes none, or
        where that hangs on a function that it takes.
        """
        if self.functions is not None or not any(i.kind in _COMPLEX_KINDS for i in self.inputs):
            return None
        return self.holomorphic if self.complex_rule is None else TABLE[self.complex_rule].holomorphic


class Table(Mapping[str, Op]):
    """The ops by canonical name; `lookup` knows the aliases too."""

    def __init__(self) -> None:
        self._ops: dict[str, Op] = {}
        self._names: dict[str, Op] = {}

    def add(self, op: Op) -> Op:
        """Enter a record; a name or alias taken twice is our fault."""
        for name in (op.name, *op.aliases):
            if name in self._names:
                raise InternalError(f"two ops are called '{name}': {self._names[name].name} and {op.name}")
            self._names[name] = op
        self._ops[op.name] = op
        return op

    def lookup(self, name: str) -> Op:
        """The op called `name`, canonical or alias; raises UnknownOp with what to write instead."""
        op = self._names.get(name)
        if op is None:
            public = self.public_names()
            instead = substitutes.find(name)
            raise UnknownOp(
                f"there is no op '{name}'",
                op=name,
                hint=(instead.advice if instead else slip_of(name, public))
                or "GET /v1/ops lists every op with its signature",
            )
        return op

    def known(self, name: str) -> Op | None:
        """The op called `name`, canonical or alias; None if there is none."""
        return self._names.get(name)

    def public_names(self) -> list[str]:
        """The names and aliases of every op that users may call."""
        return [name for name, op in self._names.items() if not op.internal]

    def public(self) -> list[Op]:
        """Every op that users may call, by group and name."""
        return sorted(
            (op for op in self._ops.values() if not op.internal), key=lambda op: (op.group, op.name)
        )

    def __getitem__(self, name: str) -> Op:
        return self._ops[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ops)

    def __len__(self) -> int:
        return len(self._ops)


TABLE = Table()
lookup = TABLE.lookup


class _Names:
    """`F.cos` is the op `cos`, looked up when called: rules may use ops that are defined after them."""

    def __getattr__(self, name: str) -> Op:
        try:
            return TABLE[name]
        except KeyError:
            if name.startswith("__"):  # Python's own questions to an object
                raise AttributeError(name) from None
            raise InternalError(f"a rule uses the op '{name}', which is not in the table") from None


F = _Names()

"""The SDK's classes under Keras's names, from the server's records: their settings, defaults and formulas.

`modules` gives the text of every module. Formulas of optimisers and schedules are the server's source with
NumPy in place of its ops, so that a step here and a step there are one formula.
"""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from engine.training.catalogue.initializers import INITIALIZERS
from engine.training.catalogue.losses import LOSSES
from engine.training.catalogue.optimizers import OPTIMIZERS, SHARED
from engine.training.catalogue.schedules import SCHEDULES
from engine.training.model.layers import LAYERS

_ALIASES = {"Slots": "Mapping[str, Any]", "Rates": "Mapping[str, Any]"}  # of types, in the server's formulas
_NOT_IN_KERAS = ("epsilon",)  # settings of losses that Keras's classes have not; the ops of the same names do
_HEAD = '''"""{summary}.

Generated from the server's records by clients/python/generate.py; do not edit.
"""
'''


def modules() -> Mapping[str, str]:
    """The text of each generated module of `keras`, by its name."""
    return {
        "optimizers": optimizers(OPTIMIZERS),
        "schedules": schedules(SCHEDULES),
        "initializers": initializers(INITIALIZERS),
        "losses": losses(LOSSES),
        "layers": layers(LAYERS),
    }


# -- optimisers and schedules ---------------------------------------------------------------------------


def optimizers(records: Iterable[Any]) -> str:
    """The module of optimisers."""
    records = sorted(records, key=lambda record: record.name)
    formulas = [f for record in records for f in (record.update, record.rates)]
    imports, text = copied(formulas)
    classes: dict[Callable[..., Any], str] = {}  # by formula: a second one derives from the first
    rendered = []
    for record in records:
        rendered.append(_optimizer(record, classes.get(record.update)))
        classes.setdefault(record.update, record.class_name)
    return "\n".join(
        [
            _HEAD.format(summary="Optimisers that step here, in NumPy, under Keras's names and defaults"),
            "from __future__ import annotations",
            "from collections.abc import Mapping",
            *imports,
            "from typing import TYPE_CHECKING, Any, ClassVar",
            "import numpy as np",
            "from gradwire._names.counterparts import OPTIMIZERS",
            "from gradwire._names.refusals import names_of",
            "from gradwire.keras import schedules",
            "from gradwire.keras.optimizer import FormulaOptimizer, Optimizer, Schedule, within",
            _all(["Optimizer", "schedules", *(record.class_name for record in records)]),
            text,
            *rendered,
            _last("OPTIMIZERS"),
        ]
    )


def _optimizer(record: Any, base: str | None) -> str:
    own = [a for a in record.attributes if a.name not in SHARED or a.default is not None]
    keywords = [a for a in record.attributes if a not in own]
    parameters = [f"learning_rate: float | Schedule = {record.learning_rate!r}", *map(_parameter, own), "*"]
    parameters += map(_parameter, keywords)
    settings = [a for a in own if a.name not in SHARED]
    passed = [a.name for a in record.attributes if a.name in SHARED or base is not None]
    starts = {slot.name: slot.start for slot in record.slots if slot.start is not None}
    notes = [f"Formula: {record.formula.replace('`', '')}.", *_notes(own)]
    body = [*_docstring(record.summary, notes), f"_wire_name = {record.name!r}"]
    if base is None:
        body += [f"slots = {tuple(slot.name for slot in record.slots)!r}"]
        body += [f"settings = {tuple(a.name for a in settings)!r}"]
        body += [f"starts: ClassVar[Mapping[str, str]] = {starts!r}"] if starts else []
        body += [f"_formula = staticmethod({record.update.__name__})"]
        body += [f"_rates = staticmethod({record.rates.__name__})"]
    body += ["", f"def __init__(self, {', '.join(parameters)}) -> None:"]
    handed = ", ".join(["learning_rate", *(f"{name}={name}" for name in passed)])
    body += [f"    super().__init__({handed})"]
    if base is None:
        body += [f"    self.{a.name} = {_within(a)}" for a in settings]
    return _class(record.class_name, base or "FormulaOptimizer", body)


def _within(attribute: Any) -> str:
    """A setting, checked if its kind is an interval of numbers."""
    schema = attribute.kind.schema
    limits = {"low": schema.get("minimum"), "high": schema.get("maximum", schema.get("exclusiveMaximum"))}
    bounds = [f"{key}={value!r}" for key, value in limits.items() if value is not None]
    bounds += ["below=True"] if "exclusiveMaximum" in schema else []
    name = attribute.name
    return f'within("{name}", {", ".join([name, *bounds])})' if bounds else name


def schedules(records: Iterable[Any]) -> str:
    """The module of schedules."""
    records = sorted((r for r in records if r.class_name), key=lambda record: record.name)
    checks = [record.check for record in records if record.check.__name__ != "_no_check"]
    imports, text = copied([*(record.rate for record in records), *checks])
    return "\n".join(
        [
            _HEAD.format(
                summary="Learning rates that change with the step, under Keras's names and defaults"
            ),
            "from __future__ import annotations",
            "from collections.abc import Mapping, Sequence",
            *imports,
            "from typing import Any",
            "from gradwire.keras.schedule import FormulaSchedule, LearningRateSchedule",
            _all(["LearningRateSchedule", *(record.class_name for record in records)]),
            text,
            *(_schedule(record, record.check in checks) for record in records),
        ]
    )


def _schedule(record: Any, checked: bool) -> str:
    names = [a.name for a in record.attributes]
    optional = tuple(a.name for a in record.attributes if a.default is None)
    parameters = [_parameter(a) for a in record.attributes]
    if record.keyword_only is not None:
        parameters.insert(names.index(record.keyword_only), "*")
    body = [*_docstring(record.summary, _notes(record.attributes)), f"name = {record.name!r}"]
    body += [f"_formula = staticmethod({record.rate.__name__})"]
    body += [f"_check = staticmethod({record.check.__name__})"] if checked else []
    body += [f"_optional = {optional!r}"] if optional else []
    body += ["", f"def __init__(self, {', '.join(parameters)}) -> None:"]
    body += [f"    super().__init__({', '.join(f'{a.name}={_listed(a)}' for a in record.attributes)})"]
    return _class(record.class_name, "FormulaSchedule", body)


def copied(functions: Iterable[Callable[..., Any]]) -> tuple[list[str], str]:
    """Functions of the server as source for NumPy, with those that they call, and what to import for them."""
    found: dict[str, ast.FunctionDef] = {}
    used: dict[str, set[str]] = {"math": set()}
    queue = list(dict.fromkeys(functions))
    while queue:
        function = queue.pop(0)
        name = function.__name__
        if name in found:
            continue
        if not name.isidentifier():
            raise SystemExit(f"expected a named function as a formula, got {name} in {function.__module__}")
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        assert isinstance(tree, ast.FunctionDef)
        found[name] = tree
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "F":
                if not hasattr(np, node.attr):
                    raise SystemExit(f"{name} takes F.{node.attr}, which NumPy does not have under this name")
                node.value.id = "np"
            elif isinstance(node, ast.Name) and node.id in _ALIASES:
                node.id = _ALIASES[node.id]
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                meant = function.__globals__.get(node.id)
                if getattr(math, node.id, None) is meant is not None:
                    used["math"].add(node.id)
                elif inspect.isfunction(meant):
                    queue.append(meant)
    imports = [f"from math import {', '.join(sorted(used['math']))}"] if used["math"] else []
    return imports, "\n\n\n".join(ast.unparse(tree) for tree in found.values())


# -- initialisers, losses, layers -----------------------------------------------------------------------


def initializers(records: Iterable[Any]) -> str:
    """The module of initialisers."""
    records = sorted(records, key=lambda record: record.name)
    return "\n".join(
        [
            _HEAD.format(summary="What weights start from, under Keras's names and defaults"),
            "from __future__ import annotations",
            "from gradwire.keras.initializer import Initializer",
            _all(["Initializer", *(record.class_name for record in records)]),
            *map(_initializer, records),
        ]
    )


def _initializer(record: Any) -> str:
    body = [*_docstring(record.summary, _notes(record.attributes)), f"_wire_name = {record.name!r}", ""]
    body += [f"def __init__(self, {', '.join(map(_parameter, record.attributes))}) -> None:"]
    body += [f"    super().__init__({', '.join(f'{a.name}={a.name}' for a in record.attributes)})"]
    return _class(record.class_name, "Initializer", body)


def losses(records: Iterable[Any]) -> str:
    """The module of losses: a class for each, and the op of the same name."""
    records = sorted(records, key=lambda record: record.name)
    ops = sorted(record.op.name for record in records)
    public = [record.name for record in records if record.op.name == record.name]
    return "\n".join(
        [
            _HEAD.format(summary="Losses under Keras's names, called as loss(y_true, y_pred)"),
            "from __future__ import annotations",
            "from typing import TYPE_CHECKING",
            "from gradwire._names.counterparts import LOSSES",
            "from gradwire._names.refusals import names_of",
            f"from gradwire._tracing.ops import ({', '.join(ops)})",
            "from gradwire.keras.loss import Loss, OpLoss",
            _all(["Loss", *(record.class_name for record in records), *public]),
            *map(_loss, records),
            _last("LOSSES"),
        ]
    )


def _loss(record: Any) -> str:
    own = [a for a in record.op.attributes if a.name not in ("reduction", *_NOT_IN_KERAS)]
    body = [*_docstring(record.summary, _notes(own)), f"_wire_name = {record.name!r}"]
    body += [f"_op = staticmethod({record.op.name})"]
    if own:
        parameters = [*map(_parameter, own), 'reduction: str = "sum_over_batch_size"']
        body += [
            "",
            f"def __init__(self, {', '.join(parameters)}) -> None:",
            "    super().__init__(reduction)",
        ]
        body += [f"    self.{a.name} = {a.name}" for a in own]
    return _class(record.class_name, "OpLoss", body)


def layers(records: Iterable[Any]) -> str:
    """The module of layers."""
    records = sorted(records, key=lambda record: record.name)
    names = ["Input", "InputLayer", "Layer", *(record.name for record in records)]
    return "\n".join(
        [
            _HEAD.format(summary="Layers under Keras's names and defaults"),
            "from __future__ import annotations",
            "from collections.abc import Callable, Mapping, Sequence",
            "from typing import TYPE_CHECKING, Any, ClassVar",
            "from gradwire._names.counterparts import LAYERS",
            "from gradwire._names.refusals import names_of",
            "from gradwire.keras.layer import Input, InputLayer, Layer, Shape",
            _all(names),
            *map(_layer, records),
            _last("LAYERS"),
        ]
    )


def _layer(record: Any) -> str:
    names = [a.name for a in record.attributes]
    defaults = {
        a.name: _default(a) for a in record.attributes if not _required(a) and _default(a) is not None
    }
    dimension = [] if "input_dim" in names else ["input_dim: int | None = None"]
    parameters = [*map(_parameter, record.attributes), "*", "input_shape: Shape | None = None", *dimension]
    parameters += ["name: str | None = None", "trainable: bool = True"]
    shape = "input_dim if input_shape is None else input_shape" if dimension else "input_shape"
    body = [*_docstring(record.summary, _notes(record.attributes))]
    body += [f"_defaults: ClassVar[Mapping[str, Any]] = {defaults!r}"] if defaults else []
    if record.absent:
        absent = {**record.absent}
        body += [f"_cures: ClassVar[Mapping[str, str]] = {{**Layer._cures, **{absent!r}}}"]
    body += ["", f"def __init__(self, {', '.join(parameters)}) -> None:"]
    handed = ", ".join(["name", shape, "trainable", *(f"{a.name}={_listed(a)}" for a in record.attributes)])
    body += [f"    super().__init__({handed})"]
    return _class(record.name, "Layer", body)


# -- what they share ------------------------------------------------------------------------------------


def _required(attribute: Any) -> bool:
    return repr(attribute.default) == "REQUIRED"


def _default(attribute: Any) -> Any:
    """The default as Python has it: a record by its name, a single axis bare, the identity None."""
    default = attribute.default
    if attribute.kind.name == "activation":
        return None
    if attribute.kind.name == "initializer":
        return default.record.name
    if isinstance(default, tuple):
        return default[0] if len(default) == 1 else default
    return default


def _parameter(attribute: Any) -> str:
    """A parameter of a constructor."""
    annotation = {"activation": "str | Callable[..., Any]", "initializer": "Any"}.get(
        attribute.kind.name, attribute.kind.annotation
    )
    if _required(attribute):
        return f"{attribute.name}: {annotation}"
    default = _default(attribute)
    optional = default is None and annotation != "Any"
    return f"{attribute.name}: {annotation}{' | None' if optional else ''} = {default!r}"


def _listed(attribute: Any) -> str:
    """What is handed on: sequences as lists, which JSON has."""
    sequence = attribute.kind.annotation.startswith("Sequence[")
    return f"list({attribute.name})" if sequence else str(attribute.name)


def _notes(attributes: Iterable[Any]) -> Iterator[str]:
    yield from (f"`{a.name}`: {a.doc}." for a in attributes if a.doc)


def _docstring(summary: str, notes: Iterable[str]) -> Iterator[str]:
    """A sentence, and a line for each note."""
    paragraphs = [textwrap.wrap(text, 100) for text in (summary, *notes)]
    if paragraphs == [[summary]]:
        yield f'"""{summary}"""'
        return
    first, *others = paragraphs
    yield f'"""{first[0]}'
    yield from first[1:]
    yield from ["", *(line for paragraph in others for line in paragraph)] if others else ()
    yield '"""'


def _class(name: str, base: str, body: Iterable[str]) -> str:
    return "\n".join([f"\n\nclass {name}({base}):", *(f"    {line}" if line else "" for line in body)])


def _all(names: Iterable[str]) -> str:
    return f"\n__all__ = [{', '.join(f'{name!r}' for name in sorted(names))},]\n\n"


def _last(table: str) -> str:
    return (
        "\n\nif not TYPE_CHECKING:  # else every name would have a type\n"
        f"    __getattr__ = names_of(__name__, globals(), {table})\n"
    )

"""The pairs of gradients and variables that an optimiser steps on, checked before anything moves."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from gradwire._client.pasting import made_as
from gradwire._notices import warn
from gradwire._tracing.caller import caller
from gradwire._tracing.node import Leaf
from gradwire._tracing.operators import Operators
from gradwire._tracing.variable import NO_NAME, Variable
from gradwire.errors import OptimizerError, TrainingWarning

Pair = tuple[Any, Variable]

_FORM = "optimizer.apply_gradients(zip(grads, variables))"


def read_pairs(argument: Any, others: tuple[Any, ...] = ()) -> list[Pair]:
    """`argument` as (gradient, variable) pairs; raises OptimizerError, which names the form that works."""
    _warn_of_assignment()
    if others:
        raise OptimizerError(
            f"expected one argument, pairs of a gradient and a variable, got {1 + len(others)}: write {_FORM}"
        )
    if isinstance(argument, Operators) or not isinstance(argument, Iterable):
        raise OptimizerError(
            f"expected pairs of a gradient and a variable, got one {_kind(argument)}: write {_FORM}, "
            "for a single one optimizer.apply_gradients([(gradient, variable)])"
        )
    listed = list(argument)
    if not listed:
        raise OptimizerError(
            "expected pairs of a gradient and a variable, got none; an iterator such as zip(...) is empty "
            "once it has been read: make it anew for each step, or keep list(zip(grads, variables))"
        )
    if len(listed) == 2 and isinstance(listed[1], Variable) and not isinstance(listed[0], tuple | list):
        raise OptimizerError(
            "expected pairs of a gradient and a variable, got a gradient and a variable without a list "
            "around them: write optimizer.apply_gradients([(gradient, variable)])"
        )
    pairs = [_pair(item, place) for place, item in enumerate(listed)]
    _check_order(pairs)
    return pairs


def _warn_of_assignment() -> None:
    """Warn of `w = optimizer.apply_gradients(...)`, after which w is None."""
    expression = caller()
    is_call = expression is not None and isinstance(expression.node, ast.Call)
    name = expression.assigned_name if expression is not None and is_call else ""
    if name.strip("_"):
        warn(
            TrainingWarning,
            f"a step changes the variables in place and returns None, which '{name}' becomes here: write "
            "optimizer.apply_gradients(...) on a line of its own",
            ("assigned step", name),
        )


def _check_order(pairs: list[Pair]) -> None:
    """Raise OptimizerError if a gradient by one of the variables is paired with another of them."""
    own = {variable._owner: variable for _, variable in pairs}
    for place, (gradient, variable) in enumerate(pairs):
        node = gradient._edge().node if isinstance(gradient, Operators) else None
        of = node.gradient_of if isinstance(node, Leaf) else None
        if of is not None and of is not variable._owner and of in own:
            raise OptimizerError(
                f"the pair at position {place} has the gradient by another variable, "
                f"'{_name_of(own[of])}', with '{_name_of(variable)}': gradients and variables go in the "
                "same order, variables = [w, b]; zip(tape.gradient(loss, variables), variables)"
            )


def _name_of(variable: Variable) -> str:
    """What the user calls a variable: its name, or else that of the line that made it."""
    return variable.name if variable.name != NO_NAME else made_as(variable._leaf.place) or NO_NAME


def _pair(item: Any, place: int) -> Pair:
    if isinstance(item, Operators) or not isinstance(item, tuple | list) or len(item) != 2:
        raise OptimizerError(
            f"expected a pair of a gradient and a variable at position {place}, got {_kind(item)}: "
            f"write {_FORM}"
        )
    gradient, variable = item
    if isinstance(variable, Variable):
        if isinstance(gradient, str | dict | tuple) or callable(gradient):
            raise OptimizerError(
                f"expected the gradient of '{variable.name}' as a tensor or an array, got {_kind(gradient)}: "
                "give tape.gradient(loss, variables)"
            )
        return gradient, variable
    if isinstance(gradient, Variable):
        raise OptimizerError(
            f"expected pairs of a gradient and a variable, got them the other way round at position {place}: "
            f"write zip(grads, variables), gradients first"
        )
    if isinstance(variable, Operators):
        node = variable._edge().node
        origin = f", made at {node.place}" if node.place else ""
        raise OptimizerError(
            f"expected a gw.Variable at position {place}, got a tensor{origin}: a step assigns, and a tensor "
            "is never assigned. `w = w - rate * g` makes a tensor of a variable (write "
            "w.assign_sub(rate * g)); zip(gradient, variable) takes a single one apart (write "
            "[(gradient, variable)])"
        )
    raise OptimizerError(
        f"expected a gw.Variable at position {place}, got {_kind(variable)}: make it one before the loop, "
        "w = gw.Variable(value), and differentiate by it"
    )


def _kind(thing: Any) -> str:
    return "None" if thing is None else type(thing).__name__

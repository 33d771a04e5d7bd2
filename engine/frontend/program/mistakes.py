"""Mistakes of calls and names, seen while a program is evaluated: each raises, or gives an error's hint."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Mapping
from typing import Any

from engine.errors import DataDependentShape, InvalidAttribute, Origin, did_you_mean, slip_of
from engine.frontend.program.confusions import confusion
from engine.frontend.program.evaluation import Evaluation
from engine.frontend.program.gammas import GAMMAS, without_gammas
from engine.frontend.program.libraries import LIBRARIES, Stripped, exists, owner
from engine.frontend.program.masks import MASKED, without_masks
from engine.frontend.program.notation import FUNCTIONS
from engine.frontend.program.pasting import replaced, unparsed
from engine.frontend.program.updates import UPDATED, is_mask, mask_names, without_updates
from engine.frontend.program.vectors import vectorized
from engine.ir import substitutes
from engine.ir.op import Op
from engine.ir.substitutes.distributions import DISTRIBUTIONS, STANDS_FOR
from engine.ir.substitutes.spellings import NEEDLESS, spelled, translated
from engine.ir.table import TABLE

_FORMULA = "a program is a formula, not Python"


def check(evaluator: Evaluation, node: ast.Call, name: str) -> None:
    """Raise for a call that is meant as another library has it."""
    method = isinstance(node.func, ast.Attribute)
    args = [node.func.value, *node.args] if isinstance(node.func, ast.Attribute) else node.args
    keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
    _check_generator(evaluator, node, name)
    _check_update(evaluator, node)
    if name == "gradient" and _has_function(evaluator, node):
        return
    mistake = confusion(name, args, keywords, method=method)
    if mistake is not None:
        row, meant = mistake
        raise evaluator.text.fault(node, row.what, evaluator.text.instead(node, meant, row.why))


def _has_function(evaluator: Evaluation, node: ast.Call) -> bool:
    names = [*node.args, *(keyword.value for keyword in node.keywords)]
    return any(isinstance(n, ast.Name) and evaluator.functions(n.id) is not None for n in names)


def _check_generator(evaluator: Evaluation, node: ast.Call, name: str) -> None:
    """Python's sum(f(v) for v in x) adds along the first axis."""
    if name not in ("sum", "max", "min", "any", "all") or len(node.args) != 1 or node.keywords:
        return
    whole = vectorized(node.args[0])
    if whole is not None:
        along = ast.Call(node.func, [whole], [ast.keyword("axis", ast.Constant(0))])
        hint = evaluator.text.instead(node, along, "write the op on the whole tensor")
        raise evaluator.text.fault(node.args[0], "a comprehension is not in the language", hint)


def _check_update(evaluator: Evaluation, node: ast.Call) -> None:
    """JAX's x.at[i].set(v)."""
    place = node.func.value if isinstance(node.func, ast.Attribute) else None
    if (
        isinstance(place, ast.Subscript)
        and isinstance(place.value, ast.Attribute)
        and place.value.attr == "at"
    ):
        hint = evaluator.text.instead_of_all(evaluator.text.rewritten(without_updates), UPDATED)
        raise evaluator.text.fault(node, "there is no property '.at'", hint)


def check_mask(evaluator: Evaluation, node: ast.Subscript) -> None:
    """Raise for x[x > 0], whose shape would depend on the data."""
    if not is_mask(node.slice, mask_names(evaluator.text.tree.body)):
        return
    text, error = evaluator.text, DataDependentShape("how many elements a mask selects depends on its values")
    lines = without_masks([*text.tree.body])
    if lines is not None:
        error.hint = text.instead_of_all("\n".join(unparsed(line) for line in lines), MASKED)
    if not error.hint or "write `" not in error.hint:
        x, mask = text.segment(node.value), text.segment(node.slice)
        fill = f"where({mask}, {x}, 0)"
        error.hint = f"{MASKED}: `sum({fill})`, `sum({fill}) / sum({mask})`"
    raise error.at(Origin(None, "getitem", text.path, text.source(node)))


def cure_of_option(
    evaluator: Evaluation, node: ast.Call, op: Op, attribute: str, value: ast.expr
) -> str | None:
    """What to write if an option of an op is a tensor, and has to be written out."""
    names = [*(one.name for one in op.inputs), *(one.name for one in op.attributes)]
    before = [node.func.value] if isinstance(node.func, ast.Attribute) else []
    arguments = dict(zip(names, [*before, *node.args], strict=False))
    arguments |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
    options = {k: v for k, v in arguments.items() if not (isinstance(v, ast.Constant) and v.value is None)}
    meant = substitutes.without_options(op.name, options)
    why = f"'{attribute}' is fixed before the data are known"
    if meant is not None:
        return evaluator.text.instead(node, meant, f"{why}, and tensors are multiplied and compared")
    note = substitutes.note_of_option(op.name, options)
    if note is not None:
        return note
    if isinstance(value, ast.Name) and value.id.lower() in ("true", "false", "none", "null"):
        word = {"true": True, "false": False}.get(value.id.lower())
        return evaluator.text.instead(value, ast.Constant(word), "it is a word of Python's")
    if isinstance(value, ast.Name) and value.id in evaluator.body.inputs:
        number = f"write its number in the program, as in `{value.id} = 3`, and do not send it"
        return f"{why}: {number}; {op.signature}"
    return None


def check_comparison(evaluator: Evaluation, node: ast.Compare) -> None:
    """Raise for `x > 0 & y > 0`, which compares with `0 & y`: & and | bind closer than comparisons."""
    middle = node.comparators[0]
    joined = isinstance(middle, ast.BinOp) and isinstance(middle.op, ast.BitAnd | ast.BitOr)
    if not joined or not isinstance(middle, ast.BinOp):
        return
    after = node.comparators[1:]
    if not after and not (
        isinstance(middle.left, ast.Constant) and not isinstance(middle.right, ast.Constant)
    ):
        return
    left: ast.expr = ast.Compare(node.left, node.ops[:1], [middle.left])
    right: ast.expr = ast.Compare(middle.right, node.ops[1:], after) if after else middle.right
    why = "& and | bind closer than comparisons, which need brackets"
    hint = evaluator.text.instead(node, ast.BinOp(left, middle.op, right), why)
    raise evaluator.text.fault(node, "a comparison with a & or | in it", hint)


def check_keyword(evaluator: Evaluation, node: ast.Call, op: Op, name: str) -> None:
    """Raise InvalidAttribute for an option that is called otherwise here."""
    names = tuple(attribute.name for attribute in op.attributes)
    ours = spelled(name, names)
    if ours is None and name not in NEEDLESS:
        return
    renamed = [
        (k.arg or "", k.arg if k.arg in names else spelled(k.arg or "", names), k.value)
        for k in node.keywords
    ]
    keywords = [
        ast.keyword(own or theirs, value if own in (None, theirs) else _translated(theirs, value))
        for theirs, own, value in renamed
        if own is not None or theirs not in NEEDLESS
    ]
    by = ast.Call(node.func, node.args, keywords)
    why = f"it is called {ours} here" if ours else "it is not needed"
    listed = ", ".join(sorted(names)) or "none"
    error = InvalidAttribute(
        f"unknown attribute '{name}'; the attributes are: {listed}",
        hint=evaluator.text.instead(node, by, why),
    )
    raise error.at(Origin(None, op.name, evaluator.text.path, evaluator.text.source(node)))


def check_carry(evaluator: Evaluation, node: ast.Call, op: Op, attributes: Mapping[str, Any]) -> None:
    """Raise for a loop whose step returns several values, and that is not told how many it carries."""
    if op.name != "while_loop" or "carry" in attributes:
        return
    step = evaluator.functions(str(attributes.get("body")))
    if step is None or len(step.outputs) < 2:
        return
    count = len(step.outputs)
    carried = ast.keyword("carry", ast.Constant(count))
    by = ast.Call(node.func, node.args, [*node.keywords, carried])
    why = f"'{attributes['body']}' returns {count} values, and all of them are carried"
    what = (
        f"while_loop carries 1 value unless `carry` says how many, and '{attributes['body']}' returns {count}"
    )
    raise evaluator.text.fault(node, what, evaluator.text.instead(node, by, why))


def _translated(name: str, value: ast.expr) -> ast.expr:
    if isinstance(value, ast.Constant):
        return ast.Constant(translated(name, value.value))  # type: ignore[arg-type]  # it was a constant's value
    return value


def cure_of_unknown(evaluator: Evaluation, node: ast.expr, name: str) -> str | None:
    """What to write instead of an op that is not there."""
    text = evaluator.text
    if name in evaluator.body.values and isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        hint = f"'{name}' is a tensor; to multiply write {name} * (…), to index {name}[…]"
        if len(node.args) == 1 and not node.keywords:
            return text.instead(node, ast.BinOp(node.func, ast.Mult(), node.args[0]), hint)
        return hint
    if name.endswith("_") and TABLE.find(name[:-1]) and isinstance(node, ast.Call):
        function = copy.copy(node.func)
        if isinstance(function, ast.Attribute):
            function.attr = name[:-1]
        elif isinstance(function, ast.Name):
            function.id = name[:-1]
        new = ast.Call(function, node.args, node.keywords)
        return text.instead(node, new, "tensors never change, so give the result a name")
    if name == "c" and isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return text.instead(node, ast.List(node.args, ast.Load()), "a vector is a list")
    if name in GAMMAS and isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        whole = text.rewritten(without_gammas)
        if whole != text.text:
            return text.instead_of_all(
                whole, "for x > 0, and gamma overflows beyond 171 while gammaln does not"
            )
    of = _distribution(node)
    if of is not None and isinstance(node, ast.Call):
        keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
        key = f"{of}_{name}"
        density = substitutes.find(STANDS_FOR.get(key, key))
        meant = None if density is None else density.written(node.args, keywords)
        if meant is not None:
            return text.instead(node, meant, "distributions are formulas here")
    instead = substitutes.find(name) or substitutes.find(name.lower())
    renamed = _renamed(evaluator, node, name)
    if renamed is not None:
        return renamed
    if instead is None and isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        plain = len(node.args) == 1 and not node.keywords and slip_of(name, TABLE.public_names()) is None
        product = ast.BinOp(node.func, ast.Mult(), node.args[0]) if plain else None
        why = f"GET /v1/ops lists the ops; if '{name[:40]}' is a tensor, a product has its *"
        return None if product is None else text.instead(node, product, why)
    if instead is None or not isinstance(node, ast.Call):
        return None if instead is None else instead.advice
    receiver = [node.func.value] if isinstance(node.func, ast.Attribute) else []
    keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
    meant = instead.written([*receiver, *node.args], keywords)
    return instead.advice if meant is None else text.instead(node, meant, instead.note)


def _renamed(evaluator: Evaluation, node: ast.expr, name: str) -> str | None:
    """SUM(x) in small letters, and xsin(y) as a product."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return None
    op = TABLE.find(name.lower())
    if op is not None and not op.internal:
        new = ast.Call(ast.Name(name.lower(), ast.Load()), node.args, node.keywords)
        return evaluator.text.instead(node, new, "names of ops are in small letters")
    factor = None if substitutes.find(name) else _factor_before(evaluator, name)
    if factor is None:
        return None
    called = ast.Call(ast.Name(name[len(factor) :], ast.Load()), node.args, node.keywords)
    product = ast.BinOp(ast.Name(factor, ast.Load()), ast.Mult(), called)
    return evaluator.text.instead(node, product, "a product has its *")


def _factor_before(evaluator: Evaluation, name: str) -> str | None:
    """The tensor x of `xsin(…)`, where sin is a function."""
    for function in FUNCTIONS:
        factor = name.removesuffix(function)
        if factor != name and (factor in evaluator.body.values or factor in evaluator.body.inputs):
            return factor
    return None


def _distribution(node: ast.expr) -> str | None:
    """The distribution before the point of a call such as norm.logpdf(x)."""
    before = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None
    name = (
        before.id
        if isinstance(before, ast.Name)
        else before.attr
        if isinstance(before, ast.Attribute)
        else None
    )
    return name if name in DISTRIBUTIONS else None


def check_library(evaluator: Evaluation, node: ast.Attribute, name: str) -> None:
    """Raise for a name with a library before it, as np.exp."""
    library = owner(node)
    if library not in LIBRARIES or library in evaluator.body.values:
        return
    detail = f"'{library}' is no module here"
    if not exists(name):
        near = slip_of(name, TABLE.public_names())
        hint = f"there is no op '{name[:40]}'; " + (near or "GET /v1/ops lists every op with its signature")
        raise evaluator.text.fault(node, detail, hint)
    sentence = substitutes.find("rand" if _draws(node) else name)
    if sentence is not None and sentence.sentence and (_draws(node) or TABLE.find(name) is None):
        raise evaluator.text.fault(node, detail, sentence.sentence)
    statement = evaluator.text.statement(node)
    whole = len(evaluator.text.segment(statement)) <= 120 and not isinstance(statement, ast.FunctionDef)
    stripped = Stripped(evaluator.body.values)
    if whole:
        by = stripped.visit(replaced(statement, node, node))
        raise evaluator.text.fault(node, detail, evaluator.text.instead(statement, by, "ops need no prefix"))
    hint = f"ops need no prefix: write `{name}` instead of `{ast.unparse(node)}`"
    raise evaluator.text.fault(node, detail, hint)


def _draws(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Attribute) and node.value.attr == "random"


def cure_of_property(evaluator: Evaluation, node: ast.Attribute, properties: Iterable[str]) -> str:
    """What to write instead of a property that is not there."""
    name = node.attr
    if name.startswith("_"):
        return _FORMULA
    called = ast.Call(node, [], [])
    op = TABLE.find(name)
    if op is not None and not op.internal:
        return evaluator.text.instead(node, called, "ops are called")
    instead = substitutes.find(name)
    if instead is not None:
        meant = instead.written([node.value], {})
        return instead.advice if meant is None else evaluator.text.instead(node, meant, instead.note)
    near = did_you_mean(name, properties)
    if near is None and isinstance(node.value, ast.Name):
        joined = ast.Name(f"{node.value.id}_{name}", ast.Load())
        why = "ops are called, as in x.sum(), and names have no dots; send the tensor under this one"
        if node.value.id not in evaluator.body.values:
            return evaluator.text.instead(node, joined, why)
    return near or f"the properties are .{' .'.join(properties)}; ops are called: x.sum()"

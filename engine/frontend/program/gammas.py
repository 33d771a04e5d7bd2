"""Products and quotients of gamma functions, which overflow, as exponentials of sums of their logarithms."""

from __future__ import annotations

import ast
import copy
from typing import Final

from engine.ir import substitutes

#: Functions that are products of gamma functions: their formulas are exp(…).
GAMMAS: Final = frozenset(
    {"gamma", "factorial", "beta", "comb", "binom", "nchoosek", "choose", "perm", "poch"}
)


def without_gammas(statement: ast.stmt) -> ast.stmt | None:
    """A statement in which each product of gamma functions is one exp, or none in a logarithm."""
    writer = _Writer()
    written = writer.visit(statement)
    return written if writer.found else None


class _Writer(ast.NodeTransformer):
    found = False

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name == "log" and len(node.args) == 1 and not node.keywords and _gammas(node.args[0]):
            terms = self._logarithm(node.args[0])
            if terms is not None:
                self.found = True
                return terms
        logarithm = _logarithm_of(node)
        self.generic_visit(node)
        if logarithm is None:
            return node
        self.found = True
        return _call("exp", _Writer().visit(logarithm))

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        if isinstance(node.op, ast.Mult | ast.Div) and _gammas(node):
            factors: list[tuple[ast.expr, bool]] = []
            _collect(node, False, factors)
            logs = [(log, below) for factor, below in factors if (log := _logarithm_of(factor)) is not None]
            if len(logs) > 1:
                self.found = True
                rest = [(self.visit(f), below) for f, below in factors if _logarithm_of(f) is None]
                return _product(
                    rest, _call("exp", _sum([(_Writer().visit(log), below) for log, below in logs]))
                )
        self.generic_visit(node)
        return node

    def _logarithm(self, node: ast.expr) -> ast.expr | None:
        """The logarithm of a product, as a sum."""
        factors: list[tuple[ast.expr, bool]] = []
        _collect(node, False, factors)
        terms: list[tuple[ast.expr, bool]] = []
        for factor, below in factors:
            log = _logarithm_of(factor)
            if log is None and _gammas(factor):
                return None
            terms.append(
                (_Writer().visit(log) if log is not None else _call("log", self.visit(factor)), below)
            )
        return _sum(terms)


def _gammas(node: ast.expr) -> bool:
    """Whether a product has a gamma function among its factors."""
    factors: list[tuple[ast.expr, bool]] = []
    _collect(node, False, factors)
    return any(_is_gamma(factor) for factor, _ in factors)


def _is_gamma(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return _is_gamma(node.left)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in GAMMAS


def _collect(node: ast.expr, below: bool, factors: list[tuple[ast.expr, bool]]) -> None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        _collect(node.left, below, factors)
        _collect(node.right, below != isinstance(node.op, ast.Div), factors)
    else:
        factors.append((node, below))


def _logarithm_of(node: ast.expr) -> ast.expr | None:
    """The logarithm of a gamma function, of a power of one, or of an exponential; None of anything else."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and _is_gamma(node.left):
        log = _logarithm_of(node.left)
        return None if log is None else ast.BinOp(node.right, ast.Mult(), log)
    if not _is_gamma(node) or not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return None
    substitute = substitutes.find(node.func.id)
    keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
    written = None if substitute is None else substitute.written(node.args, keywords)
    is_exponential = isinstance(written, ast.Call) and getattr(written.func, "id", "") == "exp"
    return copy.deepcopy(written.args[0]) if is_exponential and isinstance(written, ast.Call) else None


def _sum(terms: list[tuple[ast.expr, bool]]) -> ast.expr:
    (first, negative), *rest = terms
    total: ast.expr = ast.UnaryOp(ast.USub(), first) if negative else first
    for term, below in rest:
        total = ast.BinOp(total, ast.Sub() if below else ast.Add(), term)
    return total


def _product(rest: list[tuple[ast.expr, bool]], exponential: ast.expr) -> ast.expr:
    product: ast.expr | None = None
    for factor, below in rest:
        if product is None:
            product = ast.BinOp(ast.Constant(1), ast.Div(), factor) if below else factor
        else:
            product = ast.BinOp(product, ast.Div() if below else ast.Mult(), factor)
    return exponential if product is None else ast.BinOp(product, ast.Mult(), exponential)


def _call(name: str, argument: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), [argument], [])

"""A program's text: its limits, its syntax tree, and the places that errors and nodes name."""

from __future__ import annotations

import ast
import cmath
import copy
import re
from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from engine.errors import Source, SyntaxFault
from engine.frontend.program.pasting import (
    Replacement,
    bracketed,
    changed_lines,
    replaced,
    unparsed,
    write_instead,
)
from engine.ir.budget import charge

MAX_LENGTH: Final = 200_000  # characters
MAX_TOKENS: Final = 100_000
MAX_DEPTH: Final = 100  # brackets within brackets, expressions within expressions
MAX_CHAIN: Final = 1000  # operators in a row, which the syntax tree nests on the left
_MAX_DIGITS: Final = 1000
SHOWN: Final = 120  # characters of a source or a line in an error
LONGEST_PASTE: Final = 5 * SHOWN  # characters of lines that a hint shows

# Possessive (*+), so that no text makes the scan go back over what it has read.
_TOKEN = re.compile(
    r"""(?P<skip>[ \t\f]++|\#[^\r\n]*+)
      | (?P<newline>\r\n|\r|\n)
      | (?P<prefixed>[A-Za-z]{1,2}['"])
      | (?P<string>'[^'\\\r\n]*+'|"[^"\\\r\n]*+")
      | (?P<number>(?:\d[\d_]*+(?:\.[\d_]*+)?|\.\d[\d_]*+)(?:[eE][+-]?\d[\d_]*+)?[jJ]?(?!\w))
      | (?P<name>[^\W\d]\w*+)
      | (?P<open>[(\[{])
      | (?P<close>[)\]}])
      | (?P<sign>[-+~])
      | (?P<other><<|>>|:=|.)""",
    re.VERBOSE | re.DOTALL,
)
GRAPH_HINT = "send a graph instead"
_LEADING_ZEROS: Final = re.compile(r"0\d+(?![\d.eEjJ_])")
SPLIT_HINT = "split it into several statements: name the parts"


class ProgramText:
    """The text with its path in the request, and what it takes to say where something stands in it."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path
        ends = [match.end() for match in re.finditer(r"\r\n|\r|\n", text)]
        self._starts = [0, *ends]

    def parse(self) -> ast.Module:
        """The syntax tree, within the limits; raises SyntaxFault."""
        self.tree = self._parsed()
        self._check_depth(self.tree)
        return self.tree

    def _parsed(self) -> ast.Module:
        charge(len(self.text) >> 8)
        self._check_tokens()
        try:
            return ast.parse(self.text, mode="exec")
        except SyntaxError as error:
            raise self._from_python(error) from None
        except (MemoryError, RecursionError):
            raise self.too_deep() from None
        except (ValueError, UnicodeEncodeError):
            detail = "the text holds characters that no program has"
            raise self.fault_at(0, detail, "write plain text") from None

    def too_deep(self) -> SyntaxFault:
        """The error for what Python's stack does not hold."""
        return self.fault_at(0, "the program is nested too deep", SPLIT_HINT)

    # -- places --------------------------------------------------------------------------------------

    def source(self, node: ast.expr | ast.stmt) -> Source:
        """Where a node stands, and its text."""
        start = self._offset(node.lineno, node.col_offset)
        end = self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0)
        return Source(node.lineno, start - self._starts[node.lineno - 1], _short(self.text[start:end]))

    def fault(self, node: ast.AST, detail: str, hint: str) -> SyntaxFault:
        """A SyntaxFault at a node."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        return self.fault_at(self._offset(line, column), detail, hint)

    def fault_at(self, offset: int, detail: str, hint: str) -> SyntaxFault:
        """A SyntaxFault at a character, with the text of its line."""
        line = bisect_right(self._starts, offset)
        column = offset - self._starts[line - 1]
        return SyntaxFault(
            f"{detail}, at line {line}, column {column} of {self.path}",
            path=self.path,
            source=Source(line, column, self._line(line)),
            hint=hint,
        )

    def _line(self, line: int) -> str:
        start = self._starts[line - 1]
        end = self._starts[line] if line < len(self._starts) else len(self.text)
        return _short(self.text[start:end].rstrip("\r\n"))

    def _offset(self, line: int, column: int) -> int:
        """The character that Python's line and column (UTF-8 bytes) point at."""
        start = self._starts[line - 1]
        if self.text.isascii():
            return start + column
        return start + len(self.text[start : start + column].encode()[:column].decode(errors="ignore"))

    # -- limits --------------------------------------------------------------------------------------

    def _check_tokens(self) -> None:
        """Bounds that hold before Python's parser sees the text, which may not survive what breaks them."""
        text = self.text
        if len(text) > MAX_LENGTH:
            raise self.fault_at(
                0, f"expected at most {MAX_LENGTH:,} characters, got {len(text):,}", GRAPH_HINT
            )
        depth = signs = count = 0
        for token in _TOKEN.finditer(text):
            kind = token.lastgroup
            if kind == "skip":
                continue
            count += 1
            if count % 64 == 0:
                charge(32)
            signs = signs + 1 if kind == "sign" or token.group() == "not" else 0
            depth += (kind == "open") - (kind == "close")
            if depth > MAX_DEPTH or signs > MAX_DEPTH:
                detail = f"expected at most {MAX_DEPTH} levels, got more"
                raise self.fault_at(token.start(), detail, SPLIT_HINT)
            if count > MAX_TOKENS:
                detail = f"expected at most {MAX_TOKENS:,} symbols, got more"
                raise self.fault_at(token.start(), detail, GRAPH_HINT)
            if kind == "number" and len(token.group()) > _MAX_DIGITS:
                detail = f"expected a number of at most {_MAX_DIGITS} digits, got {len(token.group()):,}"
                raise self.fault_at(token.start(), detail, "float64 holds 17 digits; write 1e100")
            if kind == "number" and _LEADING_ZEROS.match(token.group()):
                detail = f"'{token.group()}' is no number of the language"
                raise self.fault_at(token.start(), detail, "numbers have no leading zeros: 1000, not 1,000")
            if kind in ("other", "prefixed", "name"):
                self._check_symbol(token.group(), token.start())

    def _check_symbol(self, symbol: str, offset: int) -> None:
        hint = _NOT_IN_THE_LANGUAGE.get(symbol)
        if hint is None and symbol[-1] in "'\"":
            hint = "texts are plain, without a prefix: 'float32'"
        elif hint is None and symbol[0].isdigit():
            hint = "numbers are decimal, as in 12, 1_000, 0.5 and 1e-3, and stand apart from words"
        elif hint is None and not symbol.isascii():
            hint = "names and operators are plain ASCII"
        if hint is not None:
            raise self.fault_at(offset, f"'{_short(symbol)}' is not in the language", hint)

    def _unclosed(self) -> int | None:
        """Where the last bracket stands that is not closed; None if all are, or one closes nothing."""
        opened: list[int] = []
        for token in _TOKEN.finditer(self.text):
            if token.lastgroup == "open":
                opened.append(token.start())
            elif token.lastgroup == "close":
                if not opened:
                    return None
                opened.pop()
        return opened[-1] if opened else None

    def _check_depth(self, tree: ast.AST) -> None:
        pending: list[tuple[ast.AST, int, int]] = [(tree, 0, 0)]
        while pending:
            node, depth, chain = pending.pop()
            if depth > MAX_DEPTH:
                raise self.fault(node, f"expected at most {MAX_DEPTH} levels, got more", SPLIT_HINT)
            if chain > MAX_CHAIN:
                raise self.fault(
                    node, f"expected at most {MAX_CHAIN:,} operators in a row, got more", SPLIT_HINT
                )
            if isinstance(node, ast.Constant):
                self._check_number(node)
            first = node.left if isinstance(node, ast.BinOp) else None
            for child in ast.iter_child_nodes(node):
                if isinstance(child, _LEAVES):
                    continue
                pending.append((child, depth, chain + 1) if child is first else (child, depth + 1, 0))

    def _check_number(self, node: ast.Constant) -> None:
        try:
            finite = not isinstance(node.value, float | complex) or cmath.isfinite(node.value)
            if isinstance(node.value, int):
                float(node.value)
        except OverflowError:
            finite = False
        if not finite:
            detail = "expected a number that float64 holds, got one beyond it"
            raise self.fault(node, detail, self.instead(node, ast.Name("inf"), "what is larger is inf"))

    def segment(self, node: ast.expr | ast.stmt) -> str:
        """The text of a node, whole."""
        start = self._offset(node.lineno, node.col_offset)
        return self.text[start : self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0)]

    def instead(self, node: ast.expr | ast.stmt, by: Replacement, why: str = "") -> str:
        """The hint to write `by` in place of a node: the statement around it as it should read.

        Of a statement that is long, only the node is shown.
        """
        statement = self.statement(node)
        old = self.segment(statement)
        inside = isinstance(statement, ast.FunctionDef) and statement is not node
        if inside or len(old) > SHOWN:
            old, new = self.segment(node), bracketed(by)
        else:
            new = unparsed(by if statement is node else replaced(statement, node, by))
        if len(old) > 2 * SHOWN or len(new) > 4 * SHOWN:
            return why or "split it into several statements, and each of them is shown here"
        return write_instead(new, old, why)

    def rewritten(self, change: Callable[[ast.stmt], ast.stmt | None]) -> str:
        """The whole text with each statement at its top as `change` returns it, if that is not None."""
        text = self.text
        for statement in reversed(self.tree.body):
            new = change(copy.deepcopy(statement))
            if new is not None:
                start = self._offset(statement.lineno, statement.col_offset)
                end = start + len(self.segment(statement))
                text = text[:start] + unparsed(new) + text[end:]
        return text

    def instead_of_all(self, new: str, why: str) -> str:
        """The hint to write the text `new`; `why` alone if what changes is long."""
        after, before = changed_lines(self.text, new)
        if max(len(after), len(before)) <= LONGEST_PASTE:
            return write_instead(after, before, why)
        return why

    def statement(self, node: ast.expr | ast.stmt) -> ast.stmt:
        """The innermost statement that holds a node."""
        place = (node.lineno, node.col_offset)
        innermost: ast.stmt | None = None
        block: list[ast.stmt] = self.tree.body
        while block:
            inner = [s for s in block if (s.lineno, s.col_offset) <= place]
            inside = inner and place < (inner[-1].end_lineno or 0, inner[-1].end_col_offset or 0)
            if not inside:
                break
            innermost = inner[-1]
            block = getattr(innermost, "body", [])
        assert innermost is not None, "a node stands in a statement"
        return innermost

    def _from_python(self, error: SyntaxError) -> SyntaxFault:
        line = min(max(error.lineno or 1, 1), len(self._starts))
        offset = min(self._starts[line - 1] + max((error.offset or 1) - 1, 0), len(self.text))
        unclosed = self._unclosed()
        if unclosed is not None:
            detail = f"'{self.text[unclosed]}' is never closed"
            return self.fault_at(unclosed, detail, "write the bracket that closes it")
        return self.fault_at(
            offset,
            f"expected a statement such as y = w * x + b, got {error.msg}",
            "a program is lines of name = expression, in NumPy's syntax; see docs/programs.md",
        )


def parses(text: str) -> bool:
    """Whether a text is within the limits and in Python's grammar."""
    try:
        ProgramText(text, "").parse()
    except SyntaxFault:
        return False
    return True


_LEAVES = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)
_NOT_IN_THE_LANGUAGE = {
    "\\": "backslashes have no place here; inside brackets a statement may run over several lines",
    "^": "use ** for powers, bitwise_xor(a, b) for bits",
    "<<": "use bitwise_left_shift(a, b)",
    ">>": "use bitwise_right_shift(a, b)",
    "'": "texts end on their line and hold no backslash",
    '"': "texts end on their line and hold no backslash",
    "\0": "the text holds a NUL character",
}


def _short(text: str) -> str:
    text = text.encode(errors="replace").decode()  # no lone surrogates in an answer
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"

"""What Python has and the language has not, and what to write instead."""

from __future__ import annotations

import ast
from typing import Final

_PLAIN = "a program is lines of name = expression; see docs/programs.md"
_WHOLE = "write the op on the whole tensor: exp(x), sum(x, axis=0)"
_IMPORT = "ops need no import: write sin(x), not np.sin(x)"
_LOGIC = "use & and | with brackets around comparisons: (a > 0) & (b > 0)"

_CURES: Final[dict[type[ast.AST], tuple[str, str]]] = {
    ast.If: ("an if statement", "use where(condition, a, b)"),
    ast.IfExp: ("a conditional expression", "use where(condition, a, b)"),
    ast.For: ("a for loop", f"{_WHOLE}; or use scan"),
    ast.While: ("a while loop", "use while_loop"),
    ast.Lambda: ("a lambda", "write def f(x): return …"),
    ast.ListComp: ("a comprehension", _WHOLE),
    ast.SetComp: ("a comprehension", _WHOLE),
    ast.DictComp: ("a comprehension", _WHOLE),
    ast.GeneratorExp: ("a comprehension", _WHOLE),
    ast.Import: ("an import", _IMPORT),
    ast.ImportFrom: ("an import", _IMPORT),
    ast.BoolOp: ("and or or", _LOGIC),
    ast.Not: ("not", "use ~ with brackets: ~(a > 0)"),
    ast.Is: ("is", "use =="),
    ast.IsNot: ("is not", "use !="),
    ast.In: ("in", "compare with == and reduce with any"),
    ast.NotIn: ("not in", "compare with != and reduce with all"),
    ast.NamedExpr: (":=", "give the value a name in a statement of its own"),
    ast.JoinedStr: ("an f-string", "texts are attributes only, and plain: 'float32'"),
    ast.AugAssign: ("an assignment in place", "write it out: x = x + 1"),
    ast.AnnAssign: ("an annotation", "shapes and dtypes come with the inputs; leave the annotation out"),
    ast.Starred: ("a star", "write the arguments out"),
    ast.Dict: ("a dict", _PLAIN),
    ast.Set: ("a set", "write a list: [1, 2]"),
    ast.Slice: ("a slice", "slices stand in an index: x[1:3]"),
    ast.ClassDef: ("a class", "functions are written def f(x): return …"),
    ast.AsyncFunctionDef: ("an async function", "functions are written def f(x): return …"),
    ast.FunctionDef: ("a function in a function", "write all functions side by side at the top"),
    ast.Return: ("a return outside of a function", "the last expression or the last name is the answer"),
    ast.BitXor: ("^", "use ** for powers, bitwise_xor(a, b) for bits"),
    ast.LShift: ("<<", "use bitwise_left_shift(a, b)"),
    ast.RShift: (">>", "use bitwise_right_shift(a, b)"),
    ast.Pass: ("pass", _PLAIN),
    ast.Delete: ("del", _PLAIN),
}


def cure(node: ast.AST) -> tuple[str, str]:
    """What `node` is called, and what to write instead."""
    return _CURES.get(type(node), (f"Python's {type(node).__name__.lower()}", _PLAIN))

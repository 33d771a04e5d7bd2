"""Infix programs in NumPy's syntax to a checked graph, by an allow-list over Python's `ast`.

Nothing is ever evaluated as Python. The stages, in the order a program passes them:

    text         limits, `ast.parse`, places in the text
    program      statements and functions, in order
    evaluator    expressions to nodes: operators, names, properties
    calls        an op's call: which argument is an array and which an attribute
    indexing     x[…] to getitem
    literals     numbers, lists, and the values that attributes take
    body         the nodes so far, what each name stands for, and at the end the nodes' names
    cures        what is not in the language, and what to write instead
"""

from engine.frontend.program.program import parse_program

__all__ = ["parse_program"]

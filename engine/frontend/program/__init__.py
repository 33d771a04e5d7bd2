"""Infix programs in NumPy's syntax to a checked graph, by an allow-list over Python's `ast`.

Nothing is ever evaluated as Python. The stages, in the order a program passes them:

    text         limits, `ast.parse`, places in the text
    program      statements and functions, in order
    evaluator    expressions to nodes: operators, names, properties
    evaluation   what the files below need of the evaluator, as a protocol
    calls        an op's call: which argument is an array and which an attribute
    indexing     x[…] to getitem
    literals     numbers, lists, and the values that attributes take
    body         the nodes so far, what each name stands for, and at the end the nodes' names
    pasting      the one form of a cure: text that can be pasted
    cures        what Python has and the language has not, and what to write instead
    vectors      loops and comprehensions of Python as formulas over whole tensors
    repairs      text that is no program, repaired and kept if it parses
    rules        the table of repairs
    rule         the record of a repair
    followed     cures pasted one behind the other, as one hint
    notation     the notation of papers and of LaTeX, in the language
    counting     elements that are counted from 1, in round brackets or braces
    foreign      syntax of R, Mathematica, MATLAB, Julia and JavaScript, some of which Python accepts
    characters   characters that are not ASCII, in ASCII
    input_names  names of inputs that are not ASCII, all in one hint
    mistakes     mistakes of calls and names, seen while a program is evaluated
    libraries    names with a library before them, as `np.exp`
    updates      elements that are given a value in place, as new tensors
    masks        elements that a mask picks in a reduction, as choices
    gammas       products of gamma functions by their logarithms
    confusions   ops called as a function of the same name is called elsewhere
"""

from engine.frontend.program.program import parse_program

__all__ = ["parse_program"]

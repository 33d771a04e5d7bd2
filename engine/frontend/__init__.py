"""How a function comes in and goes out.

`json_reader`      strict reading of parsed JSON, every refusal with its path
`program/`         a program in NumPy's syntax becomes a graph
`decode`           a graph document becomes a graph
`function_checks`  functions inside a graph: they exist, fit, end and stay within bounds
`ordering`         one topological order for one graph, in whatever order its document came
`graph`            the checked, canonical form; its hash is the graph's id
`record`           a graph is recorded on a tape for one signature of shapes and dtypes
`argument_order`   operands that stand the other way round
`fitting`          which change of an operand would make shapes fit
`missing_inputs`   what to do about an input that has no value
`tensors/`         arrays in the forms of the wire, in both directions
`write`            a tape becomes a graph document again
"""

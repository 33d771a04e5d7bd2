"""How Python code becomes a graph.

`node`               what a traced tensor stands for: a value, a parameter, or an op on other nodes
`tracer`             recording: values become leaves, numbers become constants
`numbers`            what is no array of numbers, and how to make it one
`operators`          Python's operators and NumPy's protocols on traced values
`methods`            the methods of NumPy's arrays
`tensor`             `Tensor`
`values`             where tensors get their values: a provider that the clients register
`reads`              values that leave a trace, and those that come back as constants
`applied`            gradients that are applied again after their variable has moved
`restarts`           training that starts over at every step
`rebinding`          steps that are bound to a name and dropped
`conditions`         conditions of several elements that Python takes for one
`reductions`         reductions that were meant to compare or add two values
`read_cures`         what to write instead of a line that reads a value
`read_refusals`      what is wrong with reading a value, and what to write instead
`texts`              ops as texts: what the user wrote for one
`dependence`         whether a traced value depends on given ones
`dataflow`           where a plain value that was read may go in the user's functions
`syntax`             the user's source text as a syntax tree
`caller`             which expression of that text is being evaluated, and what is done with its result
`variable`           `Variable`, a value that is trained
`variable_warnings`  assignments that would cut values off, or make a variable infinite
`ops`                every op of the server as a function that records it (generated)
`extra_ops`          ops whose number of outputs depends on their arguments, or which take an index
`functions`          every op by its names, for NumPy's functions and messages
`respelling`         TensorFlow's spellings of calls, understood by the ops
`spellings`          the table behind it
`array_protocol`     NumPy's functions on traced tensors
`indexing`           what stands between brackets, as an attribute
`arithmetic`         small arithmetic on known values, done here without a request
`structure`          nested tuples, lists and dicts, taken apart and put together
`subgraph`           Python functions as functions of a graph
`scopes`             the functions that are being traced now
`variadic`           arguments of ops that take any number of arrays
`trail`              what a tape recorded, as a place in a tree of all that was recorded before
`lower`              a trace in topological order, and the key of its graph
`document`           a lowered trace as a graph document
"""

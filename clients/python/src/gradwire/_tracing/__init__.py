"""How Python code becomes a graph.

`node`            what a traced tensor stands for: a value, a parameter, or an op on other nodes
`tracer`          recording: values become leaves, numbers become constants
`operators`       Python's operators and NumPy's protocols on traced values
`methods`         the methods of NumPy's arrays
`tensor`          `Tensor`
`values`          where tensors get their values: a provider that the clients register
`variable`        `Variable`, a value that is trained
`ops`             every op of the server as a function that records it (generated)
`extra_ops`       ops whose number of outputs depends on their arguments, or which take an index
`array_protocol`  NumPy's functions on traced tensors
`indexing`        what stands between brackets, as an attribute
`arithmetic`      small arithmetic on known values, done here without a request
`structure`       nested tuples, lists and dicts, taken apart and put together
`subgraph`        Python functions as functions of a graph
`variadic`        arguments of ops that take any number of arrays
`lower`           a trace in topological order, and the key of its graph
`document`        a lowered trace as a graph document
"""

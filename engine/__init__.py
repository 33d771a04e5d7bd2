"""Automatic differentiation on a tape. The rooms, from the bottom to the top:

`errors`        the tree of errors, each with its code on the wire
`dtypes`        dtypes by name, and their promotion
`arrays/`       array namespaces (NumPy, CuPy) that kernels get, and random numbers
`ir/`           the intermediate representation: the record of an op, and the tape
`transforms/`   vjp, jvp, vmap: they record derivatives and batches on a tape
`passes/`       rewrites of a tape that keep its results; stable forms and split loops
`runtime/`      the plan of a run, its cost, and the executors that run it
`ops/`          the ops, one record each
`frontend/`     programs and graph documents become graphs, and graphs are recorded on tapes
`diagnosis/`    why a gradient is missing, zero or not finite
`derivatives/`  the kinds of query: how each is recorded, and what it returns
`queries/`      a query compiled to a program, with a cache; check, receipt, estimate
`training/`     training jobs: loss, gradients and update on one tape, and the loop over it

>>> import numpy as np
>>> graph = parse_program("loss = mean((W * x - y) ** 2)")
>>> values = {"W": np.array([0.5]), "x": np.array([1.0, 2.0]), "y": np.array([2.0, 4.0])}
>>> types = {name: TensorType(value.shape, value.dtype.name) for name, value in values.items()}
>>> program = Compiler().compile(Query(graph=graph, kind="gradient", inputs=types, wrt=("W",)))
>>> answer = program.run(values)
>>> answer["value"].item(), answer["gradients"]["W"].tolist()
(5.625, [-7.5])
"""

import engine.ops  # noqa: F401  # fills the table of ops before anything looks one up
from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import EngineError, InternalError, UserError
from engine.frontend.decode import decode_graph
from engine.frontend.graph import Graph
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler, Program

__all__ = [
    "Compiler",
    "EngineError",
    "Graph",
    "InternalError",
    "Program",
    "Query",
    "TensorType",
    "UserError",
    "decode_graph",
    "parse_program",
]

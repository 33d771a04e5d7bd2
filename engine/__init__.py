"""Autodiff on a tape. The stages, in the order in which data passes them:

    decode, expression    a JSON document or a program becomes a checked `Graph`
    record                a graph, specialised to shapes and dtypes, is played onto a `Tape`
    backward              the walk records the adjoints on the same tape
    derivatives           each kind of question: what to record, how the answer is put together
    sparsity, sparse      what depends on what, and matrices of derivatives from a few products
    passes                rewrites: expand, fold, simplify, common subexpressions, dead code
    plan, cost            order, liveness, buffers; what a run takes, before it runs
    executors             run a plan: NumPy
    compiler              all of it behind one call, with a cache of programs
    diagnosis             why there is no gradient

    forward, batching     the walk that pushes tangents; a tape for one row made one for many
    control               loops, branches, maps, and derivatives as ops inside graphs

Below them: `ops` (one record an op, filling the table in `op`), `families` (shape rules that ops share),
`tape` and `variable`, `functions`, `attributes`, `tensors`, `arrays`, `dtypes`, `errors`.

>>> import numpy as np
>>> graph = parse_program("loss = mean((W * x - y) ** 2)")
>>> values = {"W": np.array([0.5]), "x": np.array([1.0, 2.0]), "y": np.array([2.0, 4.0])}
>>> types = {name: TensorType(value.shape, value.dtype.name) for name, value in values.items()}
>>> program = Compiler().compile(Query(graph=graph, kind="gradient", inputs=types, wrt=("W",)))
>>> answer = program.run(values)
>>> answer["value"].item(), answer["gradients"]["W"].tolist()
(5.625, [-7.5])
"""

import engine.control
import engine.ops  # noqa: F401  # both fill the table of ops before anything looks one up
from engine.compiler import Compiler, Program
from engine.decode import decode_graph
from engine.dtypes import TensorType
from engine.errors import EngineError, InternalError, UserError
from engine.expression import parse_program
from engine.graph import Graph
from engine.query import Query

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

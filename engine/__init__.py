"""Autodiff on a tape. The stages, in the order in which data passes them:

    decode, expression    a JSON document or a program becomes a checked `Graph`
    record                a graph, specialised to shapes and dtypes, is played onto a `Tape`
    backward, masking     the walk records the adjoints on the same tape; on request, masks beside them
    derivatives           each kind of question: what to record, how the answer is put together
    sparsity, sparse      what depends on what, and matrices of derivatives from a few products
    passes                rewrites that keep the answers; stable forms and split loops among them
    plan, cost            order, liveness, buffers; what a run takes, before it runs
    executors, devices    run a plan: NumPy on the CPU, CuPy on a GPU
    compiler              all of it behind one call, with a cache of programs
    diagnosis             why there is no gradient
    check, receipt        whether a gradient is right, tested two ways
    estimate              what each kind of question would take
    training              jobs: loss, gradients and update on one tape, and the loop over it

    forward, batching     the walk that pushes tangents; a tape for one row made one for many
    holomorphy            which paths have a complex derivative
    control               loops, branches, maps, and derivatives as ops inside graphs

Below them: `ops` (one record an op, filling the table in `op`), `families`, `batches` and `reaches` (rules
that ops share: of shapes, of rows, of what depends on what), `tape` and `variable`, `functions`,
`attributes`, `tensors`, `arrays`, `dtypes`, `errors`.

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

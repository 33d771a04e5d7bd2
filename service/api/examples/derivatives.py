"""Worked examples of the calls; the OpenAPI document shows them and a test sends them."""

from __future__ import annotations

from service.api.endpoint import Example

GRADIENT = Example(
    "Linear regression",
    body={
        "program": "mean((W * x + b - y) ** 2)",
        "inputs": {"W": [0.5], "b": [0], "x": [[1], [2], [3]], "y": [[2], [4], [6]]},
        "wrt": ["W", "b"],
    },
    answer={"value": 10.5, "gradients": {"W": [-14.0], "b": [-6.0]}},
)

EVALUATE = Example(
    "A square",
    body={"program": "y = x ** 2", "inputs": {"x": [1, 2]}, "outputs": ["y"]},
    answer={"outputs": {"y": [1.0, 4.0]}},
)

VJP = Example(
    "One cotangent",
    body={"program": "y = x ** 2", "inputs": {"x": [1, 2]}, "cotangents": {"y": [1, 10]}},
    answer={"outputs": {"y": [1.0, 4.0]}, "vjp": {"x": [2.0, 40.0]}},
)

JVP = Example(
    "One tangent",
    body={"program": "x ** 2", "inputs": {"x": [1, 2]}, "tangents": {"x": [1, 0]}},
    answer={"outputs": {"result": [1.0, 4.0]}, "jvp": {"result": [2.0, 0.0]}},
)

JACOBIAN = Example(
    "A diagonal",
    body={"program": "y = x ** 2", "inputs": {"x": [1, 2]}, "method": "auto"},
    answer={
        "outputs": {"y": [1.0, 4.0]},
        "jacobian": {"y": {"x": [[2.0, 0.0], [0.0, 4.0]]}},
        "method": "reverse",
    },
)

SPARSE_JACOBIAN = Example(
    "Entries and their places",
    body={"program": "y = x[1:] * x[:-1]", "inputs": {"x": [1, 2, 3]}, "sparse": True},
    answer={
        "outputs": {"y": [2.0, 6.0]},
        "jacobian": {
            "y": {
                "x": {
                    "rows": [0, 0, 1, 1],
                    "cols": [0, 1, 1, 2],
                    "values": [2.0, 1.0, 3.0, 2.0],
                    "shape": [2, 3],
                }
            }
        },
        "method": "reverse",
    },
)

SPARSE_HESSIAN = Example(
    "A diagonal, as entries",
    body={"program": "sum(a * x ** 2)", "inputs": {"a": 2, "x": [1, 3]}, "wrt": ["x"], "sparse": True},
    answer={
        "value": 20.0,
        "gradients": {"x": [4.0, 12.0]},
        "hessian": {"x": {"x": {"rows": [0, 1], "cols": [0, 1], "values": [4.0, 4.0], "shape": [2, 2]}}},
    },
)

HESSIAN = Example(
    "A sum of cubes",
    body={"program": "sum(x ** 3)", "inputs": {"x": [1, 2]}},
    answer={
        "value": 9.0,
        "gradients": {"x": [3.0, 12.0]},
        "hessian": {"x": {"x": [[6.0, 0.0], [0.0, 12.0]]}},
    },
)

HVP = Example(
    "A sum of cubes along one direction",
    body={"program": "sum(x ** 3)", "inputs": {"x": [1, 2]}, "vectors": {"x": [1, 1]}},
    answer={"value": 9.0, "gradients": {"x": [3.0, 12.0]}, "hvp": {"x": [6.0, 12.0]}},
)

GNVP = Example(
    "Two residuals",
    body={"program": "r = x ** 2", "inputs": {"x": [1, 2]}, "vectors": {"x": [1, 1]}},
    answer={"outputs": {"r": [1.0, 4.0]}, "gnvp": {"x": [4.0, 16.0]}},
)

DIAGNOSE = Example(
    "Rounding cuts the path",
    body={
        "program": "loss = mean((round(w * x) - y) ** 2)",
        "inputs": {"w": 1.3, "x": [1, 2], "y": [1, 2]},
        "target": "loss",
        "wrt": ["w"],
    },
    answer={
        "value": 0.5,
        "variables": {
            "w": {
                "status": "blocked",
                "reason": "nondifferentiable",
                "culprits": [
                    {
                        "node": "round_1",
                        "op": "round",
                        "input": 0,
                        "elements": [[0], [1]],
                        "count": 2,
                        "reason": "nondifferentiable",
                        "evidence": {},
                        "source": {"line": 1, "column": 13, "text": "round(w * x)"},
                    }
                ],
                "path": ["w", "multiply_1", "round_1", "subtract_1", "pow_1", "loss"],
                "message": "No gradient flows from 'w' to 'loss': every path is cut by round at 'round_1' "
                "(round is piecewise constant).",
                "fix": "Replace round at 'round_1' by a smooth function, or pass the gradient straight "
                "through: w * x + stop_gradient(round(w * x) - (w * x)).",
                "warnings": [],
                "stats": {
                    "shape": [],
                    "min": None,
                    "max": None,
                    "norm": None,
                    "zeros": None,
                    "nonfinite": None,
                },
            }
        },
    },
)

CHECK = Example(
    "Nothing remains where the target is linear",
    body={"program": "4 * x", "inputs": {"x": 1}, "seed": 0},
    answer={"passed": True, "taylor_order": {"x": None}, "dot_product_error": 0.0},
)

ESTIMATE = Example(
    "A product of a thousand elements",
    body={"program": "sum(w * x)", "inputs": {"w": {"shape": [1000]}, "x": {"shape": [1000]}}},
    answer={
        "nodes": [
            {
                "node": "multiply_1",
                "op": "multiply",
                "shape": [1000],
                "dtype": "float64",
                "flops": 1000,
                "bytes": 8000,
            },
            {"node": "result", "op": "sum", "shape": [], "dtype": "float64", "flops": 1000, "bytes": 8},
        ],
        "forward": {"flops": 2000, "peak_bytes": 24008},
        "gradient": {"flops": 2000, "peak_bytes": 40008},
        "jacobian": {
            "forward": {"flops": 4002000, "peak_bytes": 16032008},
            "reverse": {"flops": 4000, "peak_bytes": 56016},
            "cheaper": "reverse",
        },
        "hessian": {"flops": 2000, "peak_bytes": 32088008},
    },
)

PUBLISH = Example(
    "A product",
    body={"program": "loss = w * x"},
    answer={
        "id": "sha256:f8385542f633a7bf1dd128ce94819790c4508815f851bc04317dbe86f052ad98",
        "inputs": {"w": {}, "x": {}},
        "outputs": ["loss"],
        "nodes": 1,
    },
)

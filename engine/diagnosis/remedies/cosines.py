"""The cosine of two vectors, and norms, as they are written by hand."""

NORM = "power_norm({0}, axis={1}, keepdims={2}, ord=2)"
ROOT_OF_SQUARES = "sqrt(sum({0} ** 2, axis={1}, keepdims={2}))"
NX, NY = NORM.format("x", "A", "K"), NORM.format("y", "B", "L")
RX, RY = ROOT_OF_SQUARES.format("x", "A", "K"), ROOT_OF_SQUARES.format("y", "B", "L")
COSINES = (
    *(
        f"{above} / ({x} * {y})"
        for above in ("matmul(x, y)", "sum(x * y, axis=D)")
        for x, y in ((NX, NY), (RX, RY), ("sqrt(matmul(x, x))", "sqrt(matmul(y, y))"))
    ),
    "matmul(x, y) / sqrt(matmul(x, x) * matmul(y, y))",
    "sum(x * y, axis=D) / sqrt(sum(x ** 2, axis=A) * sum(y ** 2, axis=B))",
)

"""The remedies for singular matrices, and for exponentials out of range."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diagnosis.remedies.conditions import (
    multiplied_below,
    square,
)
from engine.diagnosis.remedies.table import (
    EDGE,
    WRONG,
    ZERO,
    Remedy,
)

#: An argument far out of range, and of order 1 if the quotient has brackets.
BRACKETS: Sequence[Remedy] = tuple(
    Remedy(
        (f"{op}({quotient})",),
        ZERO | WRONG,
        (f"{op}({meant})",),
        "/ and * bind from left to right, so that what stands behind the second one multiplies",
        when=multiplied_below,
        known=True,
    )
    for op in ("exp", "exp2", "expm1", "sinh", "cosh")
    for quotient, meant in (("x / y * z", "x / (y * z)"), ("-(x / y * z)", "-x / (y * z)"))
)

RANGE_REMEDIES: Sequence[Remedy] = (
    Remedy(
        ("inv(x)",),
        EDGE,
        ("inv(x + 1e-6 * eye(N))",),
        "a little on the diagonal makes a singular matrix regular",
        words=square,
    ),
    Remedy(
        ("solve(x, y)",),
        EDGE,
        ("solve(x + 1e-6 * eye(N), y)",),
        "a little on the diagonal makes a singular matrix regular",
        words=square,
    ),
    Remedy(
        ("cholesky(x)",),
        EDGE,
        ("cholesky(x + 1e-6 * eye(N))", "cholesky(x @ x.T + 1e-6 * eye(N))"),
        "it takes symmetric matrices with positive eigenvalues, as b @ b.T has",
        words=square,
    ),
    # -- too large, too small
    *BRACKETS,
    *(
        Remedy(
            (f"{op}(x)",),
            frozenset({"overflow", "underflow"}),
            plain="Scale the data, or start from smaller weights, so that {x} stays in range (for exp within "
            "700, in float32 within 80); or work with logarithms",
        )
        for op in ("exp", "exp2", "expm1", "sinh", "cosh")
    ),
)

"""The remedies for singular matrices, and for exponentials out of range."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diagnosis.remedies.conditions import (
    square,
)
from engine.diagnosis.remedies.table import (
    EDGE,
    Remedy,
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

"""Linear systems solved by products with their matrix alone: restarted GMRES; rows are independent.

Arrays are (rows, unknowns); every row has its own Krylov space and ends on its own. Orthogonalisation is
classical Gram-Schmidt done twice, the small least-squares problem is kept triangular by Givens rotations
(Saad and Schultz, 1986), unitary ones where the numbers are complex. Preconditioning is from the right, so
that the residuals are those of the system that was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

RESTART = 50  # vectors kept, at most: what the estimate counts
STEPS = 2000  # products with the matrix, at most
RANK = 16.0  # roundings of a product that its part in a new direction has to exceed
STALLED = 0.99  # a cycle that leaves more than this of every residual has reached the end

Product = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Solved:
    """The solution, each row's residual relative to its right-hand side, and the number of products."""

    x: Any
    residual: Any
    products: int


def tolerances(xp: Any, dtype: Any, tolerance: float | None) -> tuple[float, float]:
    """Relative residuals: where to stop, and above which a system counts as not solved.

    Rounding may stop the iteration between eps^¾ and √eps; who gives a tolerance gets that or nothing.
    """
    eps = float(xp.finfo(dtype).eps)
    return (eps**0.75, eps**0.5) if tolerance is None else (tolerance, tolerance)


def norm(xp: Any, rows: Any) -> Any:
    """The Euclidean length of each row."""
    if not xp.isdtype(rows.dtype, "complex floating"):
        return xp.sqrt(xp.sum(rows * rows, axis=-1))
    real, imag = xp.real(rows), xp.imag(rows)
    return xp.sqrt(xp.sum(real * real + imag * imag, axis=-1))


def conjugate(xp: Any, x: Any) -> Any:
    """The complex conjugate; real numbers as they are."""
    return xp.conj(x) if xp.isdtype(x.dtype, "complex floating") else x


def gmres(
    xp: Any, product: Product, b: Any, *, target: Any, steps: int = STEPS, inverse: Product | None = None
) -> Solved:
    """`x` with |b - A x| ≤ target |b| in every row, or the nearest that was found in `steps` products."""
    size = norm(xp, b)
    x, residual, spent = xp.zeros_like(b), b, 0
    relative = xp.where(size > 0, xp.ones_like(size), size)
    while True:
        active = relative > target
        if spent >= steps or not xp.item(xp.any(active)):
            return Solved(x, relative, spent)
        count = min(RESTART, steps - spent, b.shape[-1])
        update, used = _cycle(xp, product, inverse, residual, active, target * size, count)
        candidate = xp.where(active[:, None], x + update, x)
        remaining = b - product(candidate)
        spent += used + 1
        now = xp.where(active, norm(xp, remaining) / xp.where(active, size, xp.ones_like(size)), relative)
        better = now < relative  # False for NaN too: a row keeps the best that it had
        gained = xp.item(xp.any(now < STALLED * relative))
        x = xp.where(better[:, None], candidate, x)
        residual = xp.where(better[:, None], remaining, residual)
        relative = xp.where(better, now, relative)
        if not gained:
            return Solved(x, relative, spent)


def _cycle(
    xp: Any, product: Product, inverse: Product | None, residual: Any, active: Any, enough: Any, count: int
) -> tuple[Any, int]:
    """What to add to the solution after at most `count` products, and how many there were."""
    rows, unknowns = residual.shape
    dtype, eps = residual.dtype, float(xp.finfo(residual.dtype).eps)
    basis = xp.zeros((rows, count + 1, unknowns), dtype=dtype)
    triangle = xp.zeros((rows, count, count), dtype=dtype)
    rotation = xp.zeros((rows, count + 1, count + 1), dtype=dtype)
    rotation[...] = xp.eye(count + 1, dtype=dtype)
    right = xp.zeros((rows, count + 1), dtype=dtype)
    length = norm(xp, residual)
    right[:, 0] = xp.where(active, length, xp.zeros_like(length))
    basis[:, 0, :] = _unit(xp, residual, length, active)
    steps = 0
    for k in range(count):
        v = basis[:, k, :]
        w = product(v if inverse is None else inverse(v))
        directions = basis[:, : k + 1, :]
        before = norm(xp, w)
        h = xp.zeros((rows, k + 1), dtype=dtype)
        for _ in range(2):
            along = xp.matmul(conjugate(xp, directions), w[:, :, None])[:, :, 0]
            w = w - xp.matmul(along[:, None, :], directions)[:, 0, :]
            h = h + along
        length = norm(xp, w)
        length = xp.where(length > eps * before, length, xp.zeros_like(length))
        basis[:, k + 1, :] = _unit(xp, w, length, length > 0)
        column = xp.matmul(rotation[:, : k + 1, : k + 1], h[:, :, None])[:, :, 0]
        size = xp.abs(column[:, k])
        corner = xp.sqrt(size * size + length * length)
        empty = corner <= RANK * eps * before  # nothing new, but for rounding: the space is invariant
        safe = xp.where(empty, xp.ones_like(corner), corner)
        cos = xp.where(empty, xp.ones_like(column[:, k]), column[:, k] / safe)
        sin = xp.where(empty, xp.zeros_like(corner), length / safe)
        triangle[:, :k, k] = column[:, :k]
        triangle[:, k, k] = safe
        upper, lower = rotation[:, k, :], rotation[:, k + 1, :]
        rotation[:, k, :], rotation[:, k + 1, :] = (
            conjugate(xp, cos)[:, None] * upper + sin[:, None] * lower,
            cos[:, None] * lower - sin[:, None] * upper,
        )
        reached = right[:, k]
        right[:, k + 1] = -sin * reached
        right[:, k] = xp.where(empty, xp.zeros_like(reached), conjugate(xp, cos) * reached)
        steps = k + 1
        if not xp.item(xp.any(active & (xp.abs(right[:, k + 1]) > enough) & (length > 0))):
            break
    y = xp.solve(triangle[:, :steps, :steps], right[:, :steps, None])[:, :, 0]
    update = xp.matmul(y[:, None, :], basis[:, :steps, :])[:, 0, :]
    return update if inverse is None else inverse(update), steps


def _unit(xp: Any, rows: Any, length: Any, where: Any) -> Any:
    """Rows divided by their lengths, zeros elsewhere."""
    safe = xp.where(where, length, xp.ones_like(length))[:, None]
    return xp.where(where[:, None], rows / safe, xp.zeros_like(rows))


def band(xp: Any, product: Product, like: Any, bandwidth: int) -> Product:
    """Division by the band of the matrix around its diagonal, which 2 bandwidth + 1 products show.

    Exact where the matrix has no entries farther from the diagonal; else an approximation, which mixes
    those entries in.
    """
    rows, unknowns = like.shape
    width = 2 * bandwidth + 1
    places = xp.arange(unknowns)
    diagonals = xp.zeros((rows, width, unknowns), dtype=like.dtype)
    edge = xp.zeros((rows, bandwidth), dtype=like.dtype)
    for colour in range(min(width, unknowns)):
        seed = xp.astype(places % width == colour, like.dtype)
        window = xp.concat([edge, product(xp.broadcast_to(seed, like.shape)), edge], axis=1)
        count = -(-(unknowns - colour) // width)
        windows = xp.reshape(window[:, colour : colour + count * width], (rows, count, width))
        diagonals[:, :, colour::width] = xp.permute_dims(windows, (0, 2, 1))
    whole = xp.reshape(xp.permute_dims(diagonals, (1, 0, 2)), (width, rows * unknowns))
    divide = xp.banded_inverse(whole, bandwidth)  # the rows lie along one diagonal
    return lambda v: xp.reshape(divide(xp.reshape(v, (-1,))), like.shape)


def workspace(rows: int, unknowns: int, itemsize: int, bandwidth: int | None) -> int:
    """Bytes that a solve holds beside its operands: while it factorises a band, or else while it iterates."""
    count = min(RESTART, unknowns)
    small = 3 * (count + 1) ** 2  # triangle, rotation, and what solving the triangle copies
    vectors = count + 12
    if bandwidth is not None:
        vectors = max(8 * bandwidth + 6, 3 * bandwidth + 2 + vectors)
    return rows * (vectors * unknowns + small) * itemsize

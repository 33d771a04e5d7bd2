"""Patterns cover what finite differences find, for every op of the table and for its adjoints; colourings
hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from engine import dtypes
from engine.derivatives.sparsity import KnownValues, TooDense, column_colours, dependence, star_colours
from engine.derivatives.sparsity.layout import _from_either
from engine.ir.dependence import Reach
from engine.ir.dependence_rules import TypedStep
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.table import TABLE
from engine.ir.tape import Tape
from engine.passes import lower
from engine.runtime.executors.numpy import BoundPlan
from engine.runtime.plan import make_plan
from tests.engine.records import altered
from tests.engine.sampling import Array, Derivative, arrays_of, differentiable, drawn, named, record

CASES = [
    pytest.param(op, sample, id=f"{op.name}-{k}")
    for op in TABLE.values()
    for k, sample in enumerate(op.samples.cases)
    if op.inputs and sample.inputs
]
#: Ops whose pattern is one of their neighbourhood, and more than what an element depends on.
LOOSE = frozenset(
    [
        "sort",
        "cumulative_sum",
        "cumulative_prod",
        "linear_recurrence",
        "cholesky",
        "cofactor",
        "det_curvature",
        "solve",
        "slogdet",
        "inv",
        "top_k",
        "median",
        "quantile",
        "matrix_power",
        # what a kernel's element multiplies may be padding, or no window's
        *(f"conv{n}d{kind}" for n in (1, 2, 3) for kind in ("", "_transpose")),
        "valid_convolution_input",
        "scaled_dot_product_attention",  # causal, or masked
        "embedding_bag",  # whose padding counts for nothing
        # products with matrices that have zeros
        *(f"interpolate{n}d" for n in (1, 2, 3)),
        "grid_sample",
        "affine_grid",
        "fold",
        *(f"adaptive_average_pool{n}d" for n in (1, 2, 3)),
        # running, sorted or looked up in tables: any element of the axis
        *("cumulative_max", "cumulative_min", "cumulative_logsumexp", "cumulative_trapezoid"),
        *("nancumsum", "nancumprod", "nanmedian", "nanquantile", "central_differences"),
        *("interp", "histogram", "segment_max", "segment_min"),
        *("corrcoef", "norm", "matrix_norm", "solve_triangular", "cholesky_solve"),
        # triangles, and stacks whose results have other shapes
        *("eigh", "eigvalsh", "svd", "svdvals", "tall_qr", "qr", "lu", "pinv", "lstsq", "condition_number"),
        # coefficients of a transform that are 0, and what is padded first
        *("dft", "rdft", "irdft", "fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fft2", "ifft2", "rfft2"),
        *("irfft2", "fftn", "ifftn", "rfftn", "irfftn", "dct", "idct", "dst", "idst"),
        *("convolve", "correlate", "fftconvolve"),
    ]
)
#  Samples at which a derivative vanishes wherever they are drawn: choices that never fall, one class, zero
# factors.
VANISHING = frozenset(
    [
        "where-0",
        "where-1",
        "where-2",
        "imag-0",
        "imag-1",
        "angle-0",
        "angle-1",
        "clip-0",
        "direction-0",
        "direction-1",
        "heaviside-0",
        "heaviside-1",
        "heaviside-2",
        "categorical_hinge-0",
        "softmax-4",
        "log_softmax-4",
        "prod-4",
        "prod-5",
        "spherical_jn-1",
        "relu6-0",
        "threshold-0",
        "dropout-0",
        "dropout-1",
    ]
)
EXACT = ("elementwise", "shaping", "indexing", "reduction", "softmax", "linalg", "composite")


def covers(
    tape: Tape, slots: Sequence[int], names: Sequence[str], inputs: Mapping[str, Array], known: bool
) -> tuple[Array, Array]:
    """The pattern of `slots` by the inputs `names`, and what differences find; demands that one covers the
    other.
    """
    sources = {
        slot: (lambda name=name: inputs[name])
        for name, slot in tape.inputs.items()
        if known and not dtypes.is_inexact(inputs[name].dtype.name)
    }
    variables = [tape.inputs[name] for name in names]
    found = dependence(tape, variables, slots, KnownValues(tape, sources), 1 << 20)
    width = sum(inputs[name].size for name in names)
    empty = [np.zeros((tape.types[slot].size, width), bool) for slot in slots]
    pattern = np.vstack(
        [found[s].toarray() if s in found else none for s, none in zip(slots, empty, strict=True)]
    )
    truth = depends(tape, slots, names, inputs)
    missed = np.argwhere(truth & ~pattern)
    assert not len(missed), f"the pattern lacks {missed.tolist()[:5]}"
    return pattern, truth


def depends(tape: Tape, slots: Sequence[int], names: Sequence[str], inputs: Mapping[str, Array]) -> Array:
    """Where central differences at the point are not zero."""
    plan = BoundPlan(
        make_plan(lower(Tape(tape.types, tape.inputs, tape.constants, tape.instructions, list(slots))))
    )
    columns = []
    for name in names:
        for place in np.ndindex(inputs[name].shape):
            sides = []
            for step in (1e-5, -1e-5):
                moved = inputs[name].copy()
                moved[place] += step
                sides.append(np.concatenate([np.ravel(v) for v in plan.run({**inputs, name: moved})]))
            columns.append(np.nan_to_num(np.abs(sides[0] - sides[1])) > 1e-9)
    height = sum(tape.types[slot].size for slot in slots)
    return np.stack(columns, axis=1) if columns else np.zeros((height, 0), bool)


def floating(tape: Tape, slots: Sequence[int]) -> list[int]:
    return [slot for slot in slots if dtypes.is_floating(tape.types[slot].dtype)]


def question(op: Op, sample: Sample) -> tuple[Tape, list[int], list[str], dict[str, Array]]:
    given = arrays_of(op, sample)
    tape, outputs = record(op, given, sample.attributes)
    names = [f"x{i}" for i, array in enumerate(given) if differentiable(op, i, array)]
    return tape, floating(tape, [v.slot for v in outputs]), names, named(given)


@pytest.mark.parametrize("known", [True, False], ids=["indices", "any-indices"])
@pytest.mark.parametrize(("op", "sample"), CASES)
def test_a_pattern_covers_what_moves(op: Op, sample: Sample, known: bool) -> None:
    tape, slots, names, inputs = question(op, sample)
    if not slots or not names:
        return
    covers(tape, slots, names, inputs, known)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_the_pattern_of_an_adjoint_covers_what_moves(op: Op, sample: Sample) -> None:
    given = arrays_of(op, sample)
    derivative = Derivative(op, given, sample.attributes)
    slots = [v.slot for v in derivative.cotangents.values() if v is not None]
    names = [*derivative.wrt, *(name for name in derivative.inputs if name.startswith("g"))]
    if slots:
        covers(derivative.tape, slots, names, derivative.inputs, True)


def elsewhere(
    rng: np.random.Generator, op: Op, sample: Sample, names: Sequence[str], inputs: Mapping[str, Array]
) -> dict[str, Array]:
    """Another point: drawn anew, now and then from further out, or near literal values."""
    moved = {}
    for name in names:
        position, shape = int(name[1:]), inputs[name].shape
        drawn_anew = isinstance(sample.inputs[position], tuple)
        value = (
            drawn(rng, shape, op.samples.domain_of(position))
            if drawn_anew
            else inputs[name] * rng.uniform(0.7, 1.3, shape)
        )
        moved[name] = np.asarray(value * rng.choice([0.3, 1.0, 4.0]))
    return moved


EXACT_CASES = [
    case
    for case in CASES
    if case.values[0].family.name in EXACT and case.values[0].name not in LOOSE and case.id not in VANISHING
]


@pytest.mark.parametrize(("op", "sample"), EXACT_CASES)
def test_a_pattern_holds_nothing_else(op: Op, sample: Sample) -> None:
    """What differences find at a few points is all of it."""
    tape, slots, names, inputs = question(op, sample)
    if not slots or not names:
        return
    pattern, truth = covers(tape, slots, names, inputs, True)
    rng = np.random.default_rng(0)
    for _ in range(40):
        if not (pattern & ~truth).any():
            break
        truth = truth | depends(tape, slots, names, {**inputs, **elsewhere(rng, op, sample, names, inputs)})
    extra = np.argwhere(pattern & ~truth)
    assert not len(extra), f"nothing moves at {extra.tolist()[:5]}"


WRONG = {
    "multiply": lambda step, i: Reach(take=np.full(step.output.size, -1)),
    "getitem": lambda step, i: Reach(take=np.zeros(step.output.size, np.int64)),
    "sum": lambda step, i: Reach(take=np.zeros(step.output.size, np.int64)),
    "matmul": lambda step, i: Reach(take=np.arange(step.output.size) % step.inputs[i].size),
    "index_add": lambda step, i: Reach(take=np.arange(step.output.size) % step.inputs[i].size),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_pattern_is_noticed(name: str) -> None:
    def wrong(step: TypedStep, i: int) -> Reach:
        return WRONG[name](step, i)

    op = altered(TABLE[name], dependence=wrong)
    for sample in TABLE[name].samples.cases:
        tape, slots, names, inputs = question(op, sample)
        try:
            covers(tape, slots, names, inputs, True)
        except AssertionError:
            return
    pytest.fail("every sample passed")


def test_work_is_bounded() -> None:
    tape = Tape()
    x = tape.input("x", dtypes.TensorType((500,)))
    y = x + TABLE["sum"](x)
    with pytest.raises(TooDense):
        dependence(tape, [x.slot], [y.slot], KnownValues(tape, {}), 10_000)


# -- colourings --------------------------------------------------------------------------------------


def random_pattern(rows: int, columns: int, density: float, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return scipy.sparse.csr_array(rng.random((rows, columns)) < density)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("density", [0.0, 0.03, 0.2, 0.7, 1.0])
def test_columns_of_one_colour_meet_in_no_row(density: float, seed: int) -> None:
    pattern = random_pattern(17, 23, density, seed)
    colours, count = column_colours(pattern)
    dense = pattern.toarray()
    assert set(colours.tolist()) <= set(range(-1, count))
    assert ((colours == -1) == ~dense.any(axis=0)).all()
    for colour in range(count):
        assert (dense[:, colours == colour].sum(axis=1) <= 1).all()
    assert count >= dense.sum(axis=1).max(initial=0)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("density", [0.0, 0.03, 0.2, 0.7])
def test_every_entry_is_read_from_itself_or_its_mirror_image(density: float, seed: int) -> None:
    half = random_pattern(20, 20, density, seed)
    pattern = (half + half.T).tocsr()
    pattern.sort_indices()
    colours, count = star_colours(pattern)
    n = 20
    places = _from_either(pattern, colours, count)
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, n))
    matrix = np.where(pattern.toarray(), values + values.T, 0)
    seeds = (np.arange(count)[:, None] == colours[None, :]).astype(float)
    products = (seeds @ matrix).reshape(-1)
    np.testing.assert_allclose(products[places], matrix[pattern.toarray()], rtol=1e-12)


def test_known_structures_take_few_colours() -> None:
    n = 200
    band = scipy.sparse.diags_array([1.0, 1.0, 1.0], offsets=[-1, 0, 1], shape=(n, n)).astype(bool).tocsr()
    assert column_colours(band)[1] == 3
    arrow = scipy.sparse.lil_array((n, n), dtype=bool)
    arrow[0, :] = arrow[:, 0] = True
    arrow.setdiag(True)
    assert column_colours(arrow.tocsr())[1] == n
    assert star_colours(arrow.tocsr())[1] == 2
    side = 20
    line = scipy.sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(side, side))
    grid = scipy.sparse.kron(line, scipy.sparse.eye_array(side)) + scipy.sparse.kron(
        scipy.sparse.eye_array(side), line
    )
    grid = (grid + scipy.sparse.eye_array(side * side)).astype(bool).tocsr()
    assert column_colours(grid)[1] <= 9

"""Shaping, indexing, creation and products in difficult cases: indices, borders, refusals, memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from engine.dtypes import TensorType
from engine.errors import (
    DtypeMismatch,
    IndexOutOfRange,
    InvalidAttribute,
    ShapeMismatch,
    WrongArity,
)
from engine.ir.attributes import InputIndex
from engine.ir.table import TABLE, F, lookup
from engine.ir.tape import Tape
from engine.ops.linalg.einsum import parse_equation
from engine.runtime.executors.numpy import run_tape
from engine.transforms.vjp import backward
from tests.engine.derive import derive, weights


def recorded(name: str, *shapes: tuple[int, ...] | TensorType, **attributes: Any) -> Any:
    """What an op of inputs of these shapes answers, on a tape that is never run."""
    tape = Tape()
    inputs = [
        tape.input(f"x{i}", shape if isinstance(shape, TensorType) else TensorType(shape))
        for i, shape in enumerate(shapes)
    ]
    return tape.apply(lookup(name), inputs, attributes)


def ops_of(variable: Any) -> list[str]:
    return [step.op.name for step in variable.tape.instructions]


# -- refusals ----------------------------------------------------------------------------------------

INT = "int64"
REFUSED: Sequence[tuple[str, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ("reshape", ((2, 3),), {"shape": [4, -1]}, ShapeMismatch, "6 elements .* do not fill"),
    ("reshape", ((0, 3),), {"shape": [0, -1]}, ShapeMismatch, "do not fill"),
    ("broadcast_to", ((2, 3),), {"shape": [3]}, ShapeMismatch, "does not broadcast"),
    ("squeeze", ((2, 1),), {"axis": 0}, ShapeMismatch, "has size 2"),
    ("concat", ((2, 3), (2, 2)), {"axis": 0}, ShapeMismatch, "input 1 has shape"),
    ("concat", ((), ()), {}, IndexOutOfRange, "axis 0"),
    ("stack", ((2,), (3,)), {}, ShapeMismatch, "input 1 has shape"),
    ("split", ((5,),), {"sections": 2}, ShapeMismatch, "do not divide into 2"),
    ("unstack", ((0, 2),), {}, IndexOutOfRange, "is empty"),
    ("moveaxis", ((2, 3),), {"source": [0, 1], "destination": 0}, InvalidAttribute, "as many"),
    ("moveaxis", ((2, 3),), {"source": [0, -2], "destination": [0, 1]}, IndexOutOfRange, "twice"),
    ("matrix_transpose", ((3,),), {}, ShapeMismatch, "expected a matrix"),
    ("roll", ((2, 3),), {"shift": [1, 2, 3], "axis": [0, 1]}, InvalidAttribute, "one shift or 2"),
    ("tile", ((2,),), {"repetitions": -1}, InvalidAttribute, "0 or more"),
    ("repeat", ((3,),), {"repeats": [1, 2]}, InvalidAttribute, "one count or 3"),
    ("pad", ((2, 3),), {"pad_width": [[1, 1], [1, 1], [0, 0]]}, InvalidAttribute, "expected 2 pairs"),
    ("pad", ((2,),), {"pad_width": [[-1, 0]]}, InvalidAttribute, "0 or more"),
    ("pad", ((3,),), {"pad_width": [[3, 0]], "mode": "reflect"}, ShapeMismatch, "cannot be continued by 3"),
    ("pad", ((0,),), {"pad_width": [[1, 0]], "mode": "edge"}, ShapeMismatch, "cannot be continued"),
    ("take", ((3,), (2,)), {"axis": 0}, DtypeMismatch, "an integer dtype"),
    ("take_along_axis", ((3, 2), TensorType((3,), INT)), {}, ShapeMismatch, "expected as many axes"),
    ("gather_nd", ((3, 2), TensorType((2, 3), INT)), {}, IndexOutOfRange, "names places in shape"),
    ("index_set", ((3, 2), (3,)), {"index": [0]}, ShapeMismatch, "do not fill"),
    ("index_add", ((3,), (1, 3)), {"index": ["..."]}, ShapeMismatch, "do not fill"),
    ("top_k", ((3,),), {"k": 4}, ShapeMismatch, "4 elements of an axis of size 3"),
    ("matmul", ((3, 1), (2, 4)), {}, ShapeMismatch, "inner dimensions differ"),
    ("matmul", ((), (2,)), {}, ShapeMismatch, "a scalar has no axis"),
    ("tensordot", ((2, 3), (4, 3)), {"axes": 1}, ShapeMismatch, "differ in size"),
    ("tensordot", ((2, 3), (3,)), {"axes": 2}, ShapeMismatch, "a sum over 2 axes"),
    ("tensordot", ((2, 2), (2, 2)), {"axes": [[0, 0], [0, 1]]}, ShapeMismatch, "twice"),
    ("cross", ((2,), (2,)), {}, ShapeMismatch, "no 3 elements"),
    ("multi_dot", ((2, 3), (3,), (3, 2)), {}, ShapeMismatch, "expected a matrix for input 1"),
    ("multi_dot", ((2, 3),), {}, WrongArity, "at least 2"),
    ("diagonal", ((3, 3),), {"axis1": 0, "axis2": -2}, IndexOutOfRange, "are both 0"),
    ("diag", ((2, 2, 2),), {}, ShapeMismatch, "a vector or a matrix"),
    ("full", (), {"shape": [2], "fill_value": 0.5, "dtype": "int64"}, InvalidAttribute, "a value of int64"),
    ("full", (), {"shape": [2], "fill_value": "NaN", "dtype": "int8"}, InvalidAttribute, "a value of int8"),
    ("full", (), {"shape": [2], "fill_value": 300, "dtype": "int8"}, InvalidAttribute, "a value of int8"),
    ("zeros", (), {"shape": [-1]}, InvalidAttribute, "a list of sizes"),
    ("arange", (), {"start": 0, "stop": 1, "step": 0}, InvalidAttribute, "a step other than 0"),
    ("arange", (), {"start": 0, "stop": "Infinity"}, InvalidAttribute, "finite bounds"),
    ("arange", (), {"start": 0, "stop": 1e300, "step": 1e-300}, InvalidAttribute, "counted"),
    ("einsum", ((2, 3), (3,)), {"equation": "ij->i"}, WrongArity, "has 1 operands, got 2"),
    ("einsum", ((2, 3),), {"equation": "ij->ik"}, InvalidAttribute, "'k' of the answer"),
    ("einsum", ((2, 3),), {"equation": "ij->ii"}, InvalidAttribute, "twice in the answer"),
    ("einsum", ((2, 3),), {"equation": "i1->i"}, InvalidAttribute, "unexpected '1'"),
    ("einsum", ((2, 3),), {"equation": "i->i"}, ShapeMismatch, "does not name the 2 axes"),
    ("einsum", ((2,),), {"equation": "ij->i"}, ShapeMismatch, "does not name the 1 axes"),
    ("einsum", ((2, 3), (2, 4)), {"equation": "ij,ij->"}, ShapeMismatch, "axis 'j' has sizes 3 and 4"),
    ("einsum", ((2, 3),), {"equation": "ii->i"}, ShapeMismatch, "different sizes"),
]


@pytest.mark.parametrize(("name", "shapes", "attributes", "error", "says"), REFUSED)
def test_what_does_not_fit_is_refused_with_its_cause(
    name: str, shapes: tuple[Any, ...], attributes: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        recorded(name, *shapes, **attributes)


@pytest.mark.parametrize(
    ("name", "given", "attributes"),
    [
        ("take", (np.zeros(3), np.array([0, 3])), {"axis": 0}),
        ("take", (np.zeros(3), np.array([-4])), {}),
        ("gather_nd", (np.zeros((2, 2)), np.array([[0, 2]])), {}),
        ("take_along_axis", (np.zeros(3), np.array([3])), {}),
        ("one_hot", (np.array([0, 3]),), {"num_classes": 3}),
        ("one_hot", (np.array([-1]),), {"num_classes": 3}),
    ],
)
def test_an_index_out_of_range_is_refused_when_it_is_met(
    name: str, given: tuple[Any, ...], attributes: dict[str, Any]
) -> None:
    tape = Tape()
    xs = [tape.input(f"x{i}", TensorType(a.shape, a.dtype.name)) for i, a in enumerate(given)]
    tape.outputs = [lookup(name)(*xs, **attributes).slot]
    with pytest.raises(IndexOutOfRange, match="out of"):
        run_tape(tape, {f"x{i}": a for i, a in enumerate(given)})


# -- creation ----------------------------------------------------------------------------------------


def test_recording_a_huge_tensor_takes_no_memory() -> None:
    tracemalloc.start()
    for name, attributes in [
        ("zeros", {"shape": [10**6, 10**6]}),
        ("arange", {"start": 10**12}),
        ("eye", {"n_rows": 10**6}),
        ("linspace", {"start": 0, "stop": 1, "num": 10**12}),
    ]:
        assert recorded(name, **attributes).size >= 10**12
    assert recorded("tile", (10**6,), repetitions=[10**6]).size == 10**12
    assert recorded("pad", (2,), pad_width=[[10**12, 0]]).size > 10**12
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize(
    "attributes",
    [
        {"start": 0.1, "stop": 0.4, "step": 0.1},
        {"start": 0, "stop": 1, "step": 0.1},
        {"start": 5, "stop": -5, "step": -2},
    ],
)
def test_arange_counts_as_numpy_does(attributes: dict[str, float]) -> None:
    expected = np.arange(attributes["start"], attributes["stop"], attributes["step"])
    y = recorded("arange", **attributes)
    y.tape.outputs = [y.slot]
    (answer,) = run_tape(y.tape, {})
    assert y.shape == expected.shape
    assert y.dtype == expected.dtype.name
    np.testing.assert_array_equal(answer, expected)


# -- indexing ----------------------------------------------------------------------------------------


def test_many_reads_of_one_tensor_add_into_one_array() -> None:
    """No padded arrays: a thousand reads take a thousand additions in place and one array of zeros."""
    tape = Tape()
    x = tape.input("x", TensorType((1000,)))
    total = x.tape.weak(0.0)
    for i in range(1000):
        total = total + F.getitem(x, index=(i,)) * float(i)
    found = backward(tape, {total.slot: tape.constant(1.0)}, [x.slot])
    tape.outputs = [found[x.slot].slot]
    names = [step.op.name for step in tape.instructions]
    assert names.count("index_add") == 1000
    assert names.count("broadcast_to") == 1
    np.testing.assert_array_equal(run_tape(tape, {"x": np.zeros(1000)})[0], np.arange(1000.0))


def test_of_values_written_to_one_place_the_last_gets_the_gradient() -> None:
    tape = Tape()
    x, v = tape.input("x", TensorType((3,))), tape.input("v", TensorType((4,)))
    places = tape.input("i", TensorType((4,), "int64"))
    y = F.index_set(x, v, places, index=(InputIndex(1),))
    g = tape.constant([1.0, 2.0, 4.0])
    found = backward(tape, {y.slot: g}, [x.slot, v.slot])
    tape.outputs = [y.slot, found[x.slot].slot, found[v.slot].slot]
    given = {"x": np.zeros(3), "v": np.arange(1.0, 5.0), "i": np.array([0, 2, 0, -1])}
    written, by_x, by_v = run_tape(tape, given)
    np.testing.assert_array_equal(written, [3, 0, 4])
    np.testing.assert_array_equal(by_x, [0, 2, 0])
    np.testing.assert_array_equal(by_v, [0, 0, 1, 4])


@pytest.mark.parametrize("count", [5, 40, 3000])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_slices_are_added_where_they_came_from(count: int, axis: int, dtype: str) -> None:
    """Every way of adding agrees: few and many slices, along every axis, repeated and negative places."""
    rng = np.random.default_rng(count)
    shape = [3, 4, 5]
    shape[axis] = 400
    places = rng.integers(-400, 400, count)
    x = rng.integers(0, 9, shape).astype(dtype)
    shape[axis] = count
    values = rng.integers(0, 9, shape).astype(dtype)
    expected = x.copy()
    index = (*(slice(None),) * axis, places)
    np.add.at(expected, index, values)
    tape = Tape()
    names = {"x": x, "v": values, "i": places}
    a, v, i = (tape.input(n, TensorType(array.shape, array.dtype.name)) for n, array in names.items())
    tape.outputs = [F.index_add(a, v, i, index=(*(slice(None),) * axis, InputIndex(1))).slot]
    np.testing.assert_array_equal(run_tape(tape, names)[0], expected)
    np.testing.assert_array_equal(x, names["x"])


def test_equal_elements_keep_their_order() -> None:
    x = np.array([2.0, 1.0, 2.0, 1.0])
    np.testing.assert_array_equal(derive("argsort", x).value, [1, 3, 0, 2])
    np.testing.assert_array_equal(derive("argsort", x, descending=True).value, [0, 2, 1, 3])
    w = weights((4,))
    np.testing.assert_array_equal(derive("sort", x).first[0], w[[2, 0, 3, 1]])


# -- borders -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric", "wrap"])
def test_the_fold_is_the_adjoint_of_the_border(mode: str) -> None:
    """<pad x, y> = <x, fold y>, on random tensors of every width that is allowed."""
    rng = np.random.default_rng(0)
    for size in range(1, 5):
        limit = {"edge": 5, "reflect": size - 1}.get(mode, size)
        for before, after in np.ndindex(limit + 1, limit + 1):
            x, y = rng.standard_normal((2, size)), rng.standard_normal((2, size + before + after))
            width = [[0, 0], [before, after]]
            padded = derive("pad", x, pad_width=width, mode=mode).value
            folded = derive("pad_adjoint", y, pad_width=width, mode=mode).value
            np.testing.assert_array_equal(padded, np.pad(x, width, mode))
            np.testing.assert_allclose((padded * y).sum(), (x * folded).sum(), rtol=1e-12, atol=1e-12)


# -- einsum ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("equation", "ndims", "operands", "result"),
    [
        ("ij,jk", [2, 2], ("ij", "jk"), "ik"),
        ("ba", [2], ("ba",), "ab"),
        ("i i", [2], ("ii",), ""),
        ("...i,i...", [2, 3], ((-1, "i"), ("i", -2, -1)), (-2, -1)),
        ("a...->...", [3], (("a", -2, -1),), (-2, -1)),
    ],
)
def test_an_equation_is_read_as_numpy_reads_it(
    equation: str, ndims: list[int], operands: Any, result: Any
) -> None:
    parsed = parse_equation(equation, ndims)
    assert parsed.operands == tuple(tuple(labels) for labels in operands)
    assert parsed.result == tuple(result)


def test_a_product_of_matrices_becomes_one_matmul() -> None:
    for equation in ("ij,jk->ik", "ij,kj->ik", "bij,bjk->bik", "bhqd,bhkd->bhqk", "ijk,jkl->il"):
        left, right = (group for group in equation.partition("->")[0].split(","))
        names = ops_of(recorded("einsum", (3,) * len(left), (3,) * len(right), equation=equation))
        assert names.count("matmul") == 1
        assert {"multiply", "sum"}.isdisjoint(names)


def test_a_chain_is_contracted_in_the_cheaper_order() -> None:
    """A vector at the end of a chain never makes a matrix of the matrices before it."""
    y = recorded("einsum", (50, 60), (60, 70), (70,), equation="ij,jk,k->i")
    assert max(y.tape.types[step.outputs[0]].size for step in y.tape.instructions) == 60
    y = recorded("multi_dot", (50, 60), (60, 70), (70,))
    assert [y.tape.types[step.outputs[0]].size for step in y.tape.instructions] == [60, 50]


@pytest.mark.parametrize(
    "equation",
    ["ij,jk,kl,lm->im", "aab,b->a", "...ij,...j->...i", "ijj,jk->ik", "i,i,i->", "ab,cd->dbca", "iji->j"],
)
def test_einsum_of_random_tensors_is_numpys(equation: str) -> None:
    rng = np.random.default_rng(0)
    groups = equation.partition("->")[0].split(",")
    given = [
        rng.standard_normal((3,) * (len(group.replace("...", "")) + 2 * ("." in group))) for group in groups
    ]
    answer = derive("einsum", *given, equation=equation)
    np.testing.assert_allclose(answer.value, np.einsum(equation, *given), rtol=1e-12)


def test_axes_of_size_one_broadcast_under_a_letter() -> None:
    x, y = np.arange(3.0).reshape(1, 3), np.arange(6.0).reshape(2, 3)
    found = derive("einsum", x, y, equation="ij,ij->i")
    np.testing.assert_array_equal(found.value, np.einsum("ij,ij->i", x, y))
    assert found.first[0].shape == (1, 3)


# -- records -----------------------------------------------------------------------------------------


def test_integer_ops_cut_where_they_say() -> None:
    for name, reason in [("shape", "shape_only"), ("zeros_like", "shape_only"), ("argmax", "to_integer")]:
        rule = TABLE[name].inputs[0].vjp
        assert not callable(rule)
        assert rule.reason == reason


# -- what a small document must not do ---------------------------------------------------------------


def test_counts_in_a_document_do_not_become_lists() -> None:
    """The adjoint of a repeat by counts of a thousand million is recorded in no time."""
    y = recorded("repeat", (2,), repeats=[10**9, 1])
    tracemalloc.start()
    backward(y.tape, {y.slot: y.tape.constant(1.0).broadcast_to(y.shape)}, [y.tape.inputs["x0"]])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_nobody_takes_a_tensor_into_a_million_parts() -> None:
    for name, attributes in [("unstack", {}), ("split", {"sections": 10**6})]:
        with pytest.raises(ShapeMismatch, match="1000000 parts"):
            recorded(name, (10**6,), **attributes)


def test_a_tensor_has_64_axes_at_most() -> None:
    with pytest.raises(ShapeMismatch, match="65 axes"):
        recorded("tile", (2,), repetitions=[1] * 65)
    with pytest.raises(ShapeMismatch, match="65 axes"):
        recorded("expand_dims", (1,) * 64, axis=0)


def test_products_of_very_many_tensors_are_recorded_quickly() -> None:
    y = recorded("einsum", *[(2,)] * 600, equation=",".join("i" * 600) + "->i")
    assert y.shape == (2,)
    assert recorded("multi_dot", *[(2, 2)] * 500).shape == (2, 2)


@pytest.mark.parametrize("far", [10**6, 2**40, 2**63 - 1, -(2**63)])
def test_places_far_outside_are_outside(far: int) -> None:
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(derive("tril", x, k=far).value, x if far > 0 else 0 * x)
    np.testing.assert_array_equal(derive("triu", x, k=far).value, 0 * x if far > 0 else x)
    np.testing.assert_array_equal(derive("diagonal", x, offset=far).value, [])
    np.testing.assert_array_equal(derive("roll", x, shift=far).value, np.roll(x, far % 6))
    np.testing.assert_array_equal(
        derive("roll", x, shift=[far, 1], axis=[0, 1]).value, np.roll(x, (far % 2, 1), (0, 1))
    )


def test_numbers_that_a_dtype_does_not_hold_are_refused() -> None:
    tape = Tape()
    small = tape.input("x", TensorType((2,), "uint8"))
    for value in (300, -1, 0.5, "NaN", "Infinity"):
        with pytest.raises(InvalidAttribute, match="a value of uint8 for 'constant_values'"):
            F.pad(small, pad_width=[[1, 1]], constant_values=value)
    for attributes in (
        {"start": 300, "dtype": "int8"},
        {"start": 0, "stop": -3, "step": -1, "dtype": "uint8"},
        {"start": 2, "dtype": "bool"},
    ):
        with pytest.raises(InvalidAttribute):
            recorded("arange", **attributes)


def test_classes_may_be_more_than_the_indices_dtype_holds() -> None:
    value = derive("one_hot", np.array([1, 200], np.uint8), num_classes=1000).value
    np.testing.assert_array_equal(np.flatnonzero(value), [1, 1200])

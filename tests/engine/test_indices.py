"""Indexing against NumPy: any index that NumPy takes has the shape, the values and the aliasing of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine.ops  # noqa: F401  # fills the table
from engine.dtypes import TensorType
from engine.errors import DataDependentShape, IndexOutOfRange, ShapeMismatch, UserError
from engine.ir.attributes import INDEX, InputIndex, to_json
from engine.ir.indices import is_view, normalize_index, selects_once, shape_of
from engine.ir.table import F
from engine.ir.tape import Tape
from engine.runtime.executors.numpy import run_tape

Case = tuple[tuple[int, ...], tuple[Any, ...]]


def bounds(size: int) -> st.SearchStrategy[int | None]:
    return st.none() | st.integers(-size - 2, size + 2)


def slices(size: int) -> st.SearchStrategy[slice]:
    steps = st.none() | st.sampled_from([-3, -2, -1, 1, 2, 3])
    return st.builds(slice, bounds(size), bounds(size), steps)


def places(size: int, shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    """An index array of `shape`."""
    count = int(np.prod(shape))
    flat = st.lists(st.integers(-size, size - 1), min_size=count, max_size=count)
    return flat.map(lambda values: np.array(values, dtype=int).reshape(shape))


@st.composite
def indexed(draw: st.DrawFn) -> Case:
    """A shape and an index into it: integers, slices, None, '...' and index arrays that broadcast."""
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    common = draw(st.sampled_from([(), (1,), (2,), (3, 2)]))

    def item(size: int) -> Any:
        choices: list[st.SearchStrategy[Any]] = [slices(size), st.just(slice(None))]
        if size:
            choices.append(st.integers(-size, size - 1))
            choices.append(places(size, common[draw(st.integers(0, len(common))) :]))
        return draw(st.one_of(choices))

    head = draw(st.integers(0, len(shape)))
    tail = draw(st.integers(0, len(shape) - head))
    items = [item(size) for size in shape[:head]]
    if tail or draw(st.booleans()):
        items.append(Ellipsis)
    items += [item(size) for size in shape[len(shape) - tail :]]
    for _ in range(draw(st.integers(0, 2))):
        items.insert(draw(st.integers(0, len(items))), None)
    return shape, tuple(items)


def normal(case: Case) -> tuple[Any, ...]:
    """The normal form of an index with constant arrays, as it comes out of a document."""
    shape, index = case
    return normalize_index(INDEX.parse([to_json(frozen(as_attribute(i))) for i in index]), shape, [])


def frozen(value: Any) -> Any:
    return tuple(frozen(v) for v in value) if isinstance(value, list) else value


def as_numpy(index: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(np.asarray(i, dtype=int) if isinstance(i, tuple) else i for i in index)


def as_attribute(item: Any) -> Any:
    if isinstance(item, np.ndarray):
        return item.tolist() if item.ndim else item.item()
    return item


def engine_answer(shape: tuple[int, ...], index: tuple[Any, ...], *, inputs: bool) -> Any:
    """`x[index]` by the engine, index arrays as inputs or as constants."""
    tape = Tape()
    x = tape.input("x", TensorType(shape, "float64"))
    feed: dict[str, Any] = {"x": np.arange(np.prod(shape, dtype=int), dtype=float).reshape(shape)}
    tensors, items = [], []
    for item in index:
        if inputs and isinstance(item, np.ndarray):
            name = f"i{len(tensors) + 1}"
            tensors.append(tape.input(name, TensorType(item.shape, "int64")))
            feed[name] = item
            items.append(InputIndex(len(tensors)))
        else:
            items.append(as_attribute(item))
    y = F.getitem(x, *tensors, index=tuple(items))
    tape.outputs = [y.slot]
    (answer,) = run_tape(tape, feed)
    assert answer.shape == y.shape
    return answer


@settings(max_examples=200, deadline=None)
@given(indexed(), st.booleans())
def test_shape_and_values_are_numpys(case: Case, inputs: bool) -> None:
    shape, index = case
    x = np.arange(np.prod(shape, dtype=int), dtype=float).reshape(shape)
    if not inputs:  # a constant array of no axes is written as an integer
        index = tuple(i.item() if isinstance(i, np.ndarray) and i.ndim == 0 else i for i in index)
    answer = engine_answer(shape, index, inputs=inputs)
    np.testing.assert_array_equal(answer, x[index])


@settings(max_examples=200, deadline=None)
@given(indexed())
def test_a_view_is_declared_exactly_where_numpy_looks(case: Case) -> None:
    x, index = np.zeros(case[0]), normal(case)
    y = x[as_numpy(index)]
    if y.size and y.ndim:  # a single number is copied, which does no harm
        assert np.shares_memory(x, y) == is_view(index)


@settings(max_examples=200, deadline=None)
@given(indexed())
def test_a_normal_index_is_normal(case: Case) -> None:
    """Normalising again changes nothing, JSON brings it back, and no axis is left to guess."""
    shape, once = case[0], normal(case)
    assert normalize_index(once, shape, []) == once
    assert INDEX.parse(to_json(once)) == once
    assert sum(item is not None and item is not Ellipsis for item in once) == len(shape)
    assert shape_of(once, shape, []) == np.zeros(shape)[as_numpy(once)].shape


@settings(max_examples=200, deadline=None)
@given(indexed())
def test_once_means_once(case: Case) -> None:
    index, counts = normal(case), np.zeros(case[0], int)
    np.add.at(counts, as_numpy(index), 1)
    if counts.any():
        assert selects_once(index) == bool((counts <= 1).all())


@pytest.mark.parametrize("inputs", [True, False])
def test_an_empty_ellipsis_keeps_index_arrays_apart(inputs: bool) -> None:
    x, rows = np.arange(6.0).reshape(1, 2, 3), np.zeros((4, 2), int)
    for index in [
        (rows, Ellipsis, slice(None), 0),
        (rows, 0, Ellipsis, slice(None)),
        (None, rows, Ellipsis, 0, 0),
    ]:
        np.testing.assert_array_equal(engine_answer(x.shape, index, inputs=inputs), x[index])


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_constant_masks_are_numpys(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
    axes = data.draw(st.integers(1, len(shape)))
    flat = data.draw(
        st.lists(st.booleans(), min_size=int(np.prod(shape[:axes])), max_size=int(np.prod(shape[:axes])))
    )
    mask = np.array(flat).reshape(shape[:axes])
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    answer = engine_answer(shape, (mask,), inputs=False)
    np.testing.assert_array_equal(answer, x[mask])


# -- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "error", "says"),
    [
        ((3,), IndexOutOfRange, "index 3 is out of range for axis 0 with size 3"),
        ((0, -5), IndexOutOfRange, "index -5 is out of range for axis 1 with size 4"),
        ((0, 0, 0), IndexOutOfRange, "an index of 3 axes into shape (3, 4)"),
        (((0, 7),), IndexOutOfRange, "index 7"),
        (((True, False),), ShapeMismatch, "a mask of shape (2,)"),
        (((0, 1), (0, 1, 2)), ShapeMismatch, "do not broadcast"),
        ((InputIndex(1),), IndexOutOfRange, "the index names input 1"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(
    index: tuple[Any, ...], error: type[UserError], says: str
) -> None:
    with pytest.raises(error, match=says.replace("(", r"\(").replace(")", r"\)")):
        shape_of(normalize_index(index, (3, 4), []), (3, 4), [])


def test_a_mask_that_is_computed_has_no_shape() -> None:
    tape = Tape()
    x = tape.input("x", TensorType((3,), "float64"))
    with pytest.raises(DataDependentShape) as caught:
        F.getitem(x, x > 0, index=(InputIndex(1),))
    assert "where" in str(caught.value.hint)


def test_an_index_tensor_out_of_range_is_the_users_fault() -> None:
    tape = Tape()
    x, i = tape.input("x", TensorType((3,), "float64")), tape.input("i", TensorType((2,), "int64"))
    tape.outputs = [F.getitem(x, i, index=(InputIndex(1),)).slot]
    with pytest.raises(IndexOutOfRange):
        run_tape(tape, {"x": np.zeros(3), "i": np.array([0, 3])})

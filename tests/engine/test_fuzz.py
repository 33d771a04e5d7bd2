"""Random calls of ops either return the inferred type or are refused as a fault of the caller."""

import random
from dataclasses import replace

import numpy as np
import pytest

import engine.ops  # noqa: F401  # fills the table
from engine.errors import UserError
from engine.ir.table import TABLE
from tests.engine.fuzzing import Call, play, random_call


def survives(call: Call) -> bool:
    """Whether the call was answered; False where it was refused."""
    try:
        play(call)
    except UserError:
        return False
    except Exception as error:
        raise AssertionError(f"{call}: {type(error).__name__}: {error}") from error
    return True


def fuzz(seed: int, count: int) -> None:
    rng, ops = random.Random(seed), TABLE.public()
    answered = sum(survives(random_call(rng, ops)) for _ in range(count))
    assert answered > count / 4  # else it tests refusals only


def test_random_calls() -> None:
    fuzz(0, 1500)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
def test_many_random_calls(seed: int) -> None:
    fuzz(seed, 20_000)


def call(op: str, *arrays: object, **attributes: object) -> Call:
    named = {f"x{i}": np.asarray(array) for i, array in enumerate(arrays)}
    return Call(op, list(named), attributes, named)


REFUSED = {
    "more numbers than memory": call("arange", start=0.5, stop=1e300),
    "numbers of dtype bool": call("arange", start=5, dtype="bool"),
    "numbers beyond their dtype": call("arange", start=300, dtype="uint8"),
    "a value beyond its dtype": call("full_like", [1.0], fill_value=1e300, dtype="int8"),
    "NaN around booleans": call("pad", [True], pad_width=[[1, 1]], constant_values="NaN"),
    "infinity around integers": call("pad", [1], pad_width=[[1, 1]], constant_values="Infinity"),
    "imaginary parts dropped": call("astype", [1j], dtype="float64"),
    "imaginary parts dropped in a sum": call("sum", [1j], dtype="float32"),
    "a mask without axes": call("getitem", [1.0], True, index=[{"input": 1}]),
    "-1 around unsigned": call("pad", np.ones(2, np.uint8), pad_width=[[1, 1]], constant_values=-1),
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_is_refused(refused: Call) -> None:
    assert not survives(refused)


ANSWERED = {
    "an empty range between distant bounds": call("arange", start=1e300, step=-1),
    "decimals beyond the dtype": call("round", [1.5, 1e300], decimals=1_000_000),
    "decimals far before the point": call("round", [1.5, 1e300], decimals=-1_000_000),
    "decimals before the point of few digits": call("round", np.ones(2, np.float16), decimals=-7),
    "a number set by no index": replace(
        call("index_set", np.float32(1), np.float32(2), index=[]), kind="gradient"
    ),
    "an index tensor that is not used": call("index_add", 1.0, 2.0, [0, 1], index=[]),
    "a read with an index tensor that is not used": call("getitem", 1.0, [0, 1], index=[]),
    "hard_tanh of unsigned integers": call("hard_tanh", np.array([0, 1, 7], np.uint8)),
    "a scalar rolled along no axis": call("roll", 1.0, shift=[-1], axis=[]),
    "losses over no classes": call(
        "categorical_crossentropy", np.ones((2, 0)), np.ones((2, 0)), label_smoothing=0.5
    ),
}


@pytest.mark.parametrize("answered", ANSWERED.values(), ids=ANSWERED.keys())
def test_what_can_be_is_answered(answered: Call) -> None:
    assert survives(answered)


def test_rounding_beyond_the_dtype() -> None:
    from engine import arrays

    xp, kernel = arrays.numpy_namespace(), TABLE["round"].kernel.forward
    assert kernel is not None
    x = np.array([1.5, -1e300, np.inf])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(kernel(xp, x, decimals=1_000_000), x)
        np.testing.assert_array_equal(kernel(xp, x[:2], decimals=-1_000_000), [0, 0])
        np.testing.assert_array_equal(kernel(xp, np.float16([1.25]), decimals=9), np.float16([1.25]))

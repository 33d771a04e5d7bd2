"""Training steps as native code: the run of the NumPy plan up to rounding, and resumed with the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.runtime.executors.compiled.jit import is_available
from engine.runtime.executors.compiled.plans import CompiledResidentPlan
from engine.training.catalogue.optimizers import OPTIMIZERS
from engine.training.loop.run import TrainingRun
from tests.engine.training.world import classes, job, layered

pytestmark = pytest.mark.skipif(not is_available(), reason="the extra `compiled` is not installed")

DENSE = {
    "model": {
        "layers": [{"type": "Dense", "units": 20, "activation": "relu"}, {"type": "Dense", "units": 3}]
    },
    "loss": {"name": "categorical_crossentropy", "from_logits": True},
    "metrics": ["accuracy"],
    "batch_size": 16,
    "epochs": 2,
}


def finished(document: dict[str, Any], *, most: int | None = None, resume: Any = None) -> TrainingRun:
    """A run to its end, or `most` events far."""
    data = classes()
    run = TrainingRun(job(document, data), data, resume=resume)
    for count, _ in enumerate(run, 1):
        if count == most:
            break
    return run


def same(ours: TrainingRun, theirs: TrainingRun, rtol: float) -> None:
    for name, array in theirs.parameters.items():
        scale = max(1e-3, float(np.abs(array).max()))
        np.testing.assert_allclose(ours.parameters[name], array, rtol=rtol, atol=rtol * scale, err_msg=name)
    for name, array in theirs.state.items():
        np.testing.assert_allclose(ours.state[name], array, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [record.name for record in OPTIMIZERS])
def test_every_optimizer(optimizer: str, dtype: str) -> None:
    document = {**DENSE, "optimizer": {"name": optimizer, "learning_rate": 0.01}, "dtype": dtype}
    compiled = finished({**document, "optimize": "compiled"})
    assert compiled.executor.startswith("compiled")
    assert all(isinstance(plan._bound, CompiledResidentPlan) for plan in compiled._plans.values())
    same(compiled, finished(document), 2e-3 if dtype == "float32" else 1e-9)


def test_a_model_with_everything() -> None:
    """In float64 and by gradient descent: Adam makes steps of what is rounding, as before a normalisation."""
    document = layered(
        validation_split=0.2,
        early_stopping={"monitor": "val_loss", "patience": 2},
        optimizer={"name": "sgd", "learning_rate": 0.1},
        dtype="float64",
    )
    compiled, planned = finished({**document, "optimize": "compiled"}), finished(document)
    same(compiled, planned, 1e-9)


def test_a_resumed_run_has_the_bits_of_one_that_went_on() -> None:
    document = layered(optimize="compiled")
    whole, half = finished(document), finished(document, most=6)
    resumed = finished(document, resume=half.snapshot())
    for name, array in whole.parameters.items():
        np.testing.assert_array_equal(resumed.parameters[name], array)


def test_two_runs_have_the_same_bits() -> None:
    one, other = (finished(layered(optimize="compiled")) for _ in range(2))
    for name, array in one.parameters.items():
        np.testing.assert_array_equal(other.parameters[name], array)


def test_the_document_keeps_the_level() -> None:
    data = classes()
    spec = job(layered(optimize="compiled"), data)
    assert spec.document()["optimize"] == "compiled"
    assert job(spec.document(), data).optimize == "compiled"
    assert "optimize" not in job(layered(), data).document()

"""Steps that cannot do what was meant: weights that decay away, and normalised batches of one row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.training.catalogue.schedules import rate_at
from engine.training.job.spec import TrainingSpec
from engine.training.model.expand import X
from engine.training.model.model import read_model

_DECAYED = 0.1  # of each weight in one step: common decays take a ten-thousandth
_CHANNELS = (1, 3, 4)
_SMALLEST_IMAGE = 8  # pixels along an axis
_BEFORE_IMAGES = frozenset({"Dropout", "Activation", "BatchNormalization", "LayerNormalization"})
_COMMON = 1e-3  # of each weight in one step, in the cure


def step_warnings(spec: TrainingSpec) -> Iterator[Mapping[str, Any]]:
    """A warning of a decay that undoes each step, and of batches of one row that are normalised."""
    yield from _of_decay(spec)
    if "model" in spec.source:
        yield from _of_single_rows(spec)
        yield from _of_channels(spec)


def _of_decay(spec: TrainingSpec) -> Iterator[Mapping[str, Any]]:
    decay = spec.method.optimizer.settings.get("weight_decay")
    if not decay:
        return
    try:
        rate = max(rate_at(spec.method.schedule, step) for step in (0, spec.steps // 2, spec.steps - 1))
    except OverflowError:
        return
    if rate * decay >= _DECAYED:
        yield {"code": "weight_decay", "node": None, "message": decay_message(rate, decay)}


def decay_message(rate: float, decay: float) -> str:
    """What is said of a learning rate and a decay that shrink the weights at each step."""
    share = rate * decay
    what = (
        f"takes {share:.0%} of every weight away"
        if share <= 1
        else f"makes every weight {1 - share:.3g} times itself"
    )
    return (
        f"learning_rate * weight_decay is {rate:g} * {decay:g} = {share:g}: each step first {what}, and "
        f"nothing that is learned stays. Write weight_decay={_COMMON / rate:.1g}, or leave it out; common "
        "decays lie between 0.0001 and 0.01"
    )


def _of_single_rows(spec: TrainingSpec) -> Iterator[Mapping[str, Any]]:
    """BatchNormalization of batches of one row, each of which is its own mean."""
    size = min(spec.batch_size, spec.rows)
    rest = spec.rows % spec.batch_size
    if size != 1 and rest != 1:
        return
    row = spec.objective.columns[X].row
    model = read_model(spec.source["model"], dtype=spec.dtype, path="$.model", row=row)
    names = [
        named.name
        for named in model.layers
        if named.layer.record.name == "BatchNormalization" and named.trainable and _is_flat(spec, named.name)
    ]
    if not names:
        return
    name = f"BatchNormalization '{names[0]}'"
    if size == 1:
        why = "batch_size=1" if spec.rows > 1 else "1 row of data"
        cure = (
            f"Write batch_size={_whole(spec, 32)}, or put a LayerNormalization in its place, which takes the "
            "mean over the features of each row"
            if spec.rows > 1
            else "It needs more rows; a LayerNormalization takes the mean over the features of each row"
        )
        message = (
            f"{name} with {why}: the mean of a batch of one row is that row, so that it returns the same "
            f"(beta) whatever comes in, and no layer before it learns. {cure}"
        )
        yield {"code": "batch_of_one", "node": None, "message": message}
    else:
        message = (
            f"{name}: {spec.rows:,} rows in batches of {spec.batch_size} leave a last batch of one row, "
            "whose mean is that row, so that it returns the same (beta) whatever comes in, and its variance, "
            f"0, enters the running average. Write batch_size={_whole(spec, spec.batch_size + 1)}, or "
            "leave a row out"
        )
        yield {"code": "batch_of_one", "node": None, "message": message}


def _of_channels(spec: TrainingSpec) -> Iterator[Mapping[str, Any]]:
    """Images whose channels come first, into a layer that takes the last axis for them."""
    row = spec.objective.columns[X].row
    if len(row) != 3 or row[0] not in _CHANNELS or min(row[1:]) < _SMALLEST_IMAGE or row[2] in _CHANNELS:
        return
    model = read_model(spec.source["model"], dtype=spec.dtype, path="$.model", row=row)
    first = next((n for n in model.layers if n.layer.record.name not in _BEFORE_IMAGES), None)
    if first is not None and "2D" in first.layer.record.name:
        yield {
            "code": "channels_first",
            "node": None,
            "message": f"{first.layer.record.name} '{first.name}' takes rows of (height, width, channels), "
            f"and '{X}' has rows of {list(row)}, which looks like {row[0]} channels first: it takes them for "
            f"a height of {row[0]} and {row[2]} channels. Send np.moveaxis({X}, 1, -1)",
        }


def _whole(spec: TrainingSpec, least: int) -> int:
    """A size of batches, from `least` on, that leaves no batch of one row."""
    return next(n for n in range(min(least, spec.rows), spec.rows + 1) if n > 1 and spec.rows % n != 1)


def _is_flat(spec: TrainingSpec, name: str) -> bool:
    """Whether a layer takes its mean over the rows alone: those of images go over the pixels as well."""
    node = spec.objective.train.names.get(f"{name}/mean")
    return node is not None and list(node.attributes.get("axis") or ()) == [0]

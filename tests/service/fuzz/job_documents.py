"""Random training jobs: valid ones, whose parts are exchanged, changed, left out and put in."""

from __future__ import annotations

import copy
import json
import random
from typing import Any, Final

from engine.ir.attributes import REQUIRED
from engine.training.catalogue.initializers import INITIALIZERS
from engine.training.catalogue.losses import LOSSES
from engine.training.catalogue.metrics import METRICS
from engine.training.catalogue.optimizers import OPTIMIZERS
from engine.training.catalogue.registry import Registry
from engine.training.catalogue.schedules import SCHEDULES
from engine.training.model.layers import LAYERS
from tests.service.fuzz.campaign import damaged
from tests.service.grammar import Grammar

_VALUES: Final[tuple[Any, ...]] = (
    0, 1, -1, 2, 3, 0.5, -0.5, 1e-320, 1e308, 10**6, 2**31 - 1, 2**31, 2**63, 10**30, True, False, None,
    "x", "y", "", "Infinity", "NaN", [], [0], [1, 2], [-1], [[1, 2], [3]], [[1], [2], [3]], {}, {"a": 1},
    "float16", {"dataset": "x"}, {"dataset": "sha256:" + "0" * 64}, {"tensor": "x"},
    {"shape": [2], "value": 1}, [None], {"dtype": "int64", "data": [0, 1, 0]}, {"name": "sgd"}, [0] * 70,
    "loss", "\u0000", "ü" * 300, [{}], "a b",
)  # fmt: skip
_ROWS: Final = 4
_SHAPES: Final[tuple[list[int], ...]] = ([2], [3], [4, 2], [4, 4, 1], [3, 4, 4, 2], [], [1], [0])
_PROGRAMS: Final = (
    ("pred = W * x + b\nloss = mean((pred - y) ** 2)", "loss"),
    ("loss = sum(abs(W @ x[0] - y[0])) + b[0]", "loss"),
    ("h = tanh(x * W)\npred = sum(h, axis=-1, keepdims=True)\nloss = mean(square(pred - y))", "loss"),
    ("loss = mean(log(W) * x) + b", "loss"),
    ("def f(a): return a * W\nloss = mean(f(x) - y)", "loss"),
    ("m = mean(abs(y))\nloss = mean(softmax(x * W)) / m", "loss"),
)


class Jobs:
    """Jobs from one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.seed = seed

    def body(self) -> bytes:
        """The body of a submission."""
        rng = self.rng
        document = rng.choice((self.model, self.model, self.program))()
        while rng.random() < 0.5:
            self.mutate(document)
        text = json.dumps(document).encode()
        return damaged(rng, text) if rng.random() < 0.05 else text

    def program(self) -> dict[str, Any]:
        """A job whose function is a program, now and then one of the grammar's."""
        rng = self.rng
        program, target = rng.choice(_PROGRAMS)
        if rng.random() < 0.2:
            program, target = Grammar(self.seed).by_text()["program"], "r"
        width = rng.choice((1, 1, 2, 3))
        return {
            "program": program,
            "target": target,
            "parameters": {"W": self.parameter(width), "b": self.parameter(1)},
            "data": {
                name: self.numbers([_ROWS, width]) for name in ("x", "y", "z")[: rng.choice((2, 2, 2, 3))]
            },
            **self.options(),
        }

    def model(self) -> dict[str, Any]:
        """A job whose function is a model of a few layers."""
        rng = self.rng
        shape = list(rng.choice(_SHAPES))
        layers = [self.record(LAYERS, "type") for _ in range(rng.choice((1, 1, 2, 3)))]
        if rng.random() < 0.6:
            layers.append({"type": "Flatten"})
            layers.append({"type": "Dense", "units": rng.choice((1, 2, 3))})
        labels: Any = self.numbers([_ROWS, rng.choice((1, 2, 3))])
        if rng.random() < 0.4:
            labels = {"dtype": "int64", "data": [rng.randrange(3) for _ in range(_ROWS)]}
        document = {
            "model": {"input_shape": shape, "layers": layers},
            "loss": self.record(LOSSES, "name"),
            "data": {"x": self.numbers([_ROWS, *shape]), "y": labels},
            **self.options(),
        }
        if rng.random() < 0.3:
            document["metrics"] = [self.record(METRICS, "name") for _ in range(rng.randrange(3))]
        return document

    def options(self) -> dict[str, Any]:
        """Settings that every job has."""
        rng = self.rng
        settings: dict[str, Any] = {"epochs": rng.choice((1, 2, 3)), "batch_size": rng.choice((1, 2, 4, 9))}
        if rng.random() < 0.6:
            settings["optimizer"] = self.record(OPTIMIZERS, "name")
            if rng.random() < 0.2 and isinstance(settings["optimizer"], dict):
                settings["optimizer"]["learning_rate"] = self.record(SCHEDULES, "name")
        choices = {
            "shuffle": False, "seed": rng.randrange(9), "dtype": rng.choice(("float16", "float64")),
            "validation_split": 0.3, "early_stopping": {"monitor": rng.choice(("loss", "val_loss"))},
        }  # fmt: skip
        return {**settings, **{name: value for name, value in choices.items() if rng.random() < 0.15}}

    def parameter(self, width: int) -> dict[str, Any]:
        """A parameter with a value, or an initialiser."""
        if self.rng.random() < 0.5:
            return {"value": [0.5] * width}
        return {"shape": [width], "initializer": self.record(INITIALIZERS, "name")}

    def record(self, registry: Registry[Any], key: str) -> Any:
        """A name of a registry, mostly with a few settings, most of them right."""
        rng = self.rng
        record = rng.choice(list(registry))
        if key == "name" and rng.random() < 0.3:
            return record.name
        settings: dict[str, Any] = {key: record.name}
        for attribute in record.attributes:
            if rng.random() < (0.95 if attribute.default is REQUIRED else 0.15):
                value = rng.choice((1, 2, 2, 3, 0.5, "relu", "same", [2, 2], True, *_VALUES))
                settings[attribute.name] = copy.deepcopy(value)
        return settings

    def numbers(self, shape: list[int]) -> Any:
        """Nested lists of numbers, now and then odd ones."""
        if not shape:
            return self.rng.choice(
                (0.0, 1.0, 0.5, -1.0, 2, *((1e30, "NaN") if self.rng.random() < 0.05 else ()))
            )
        return [self.numbers(shape[1:]) for _ in range(shape[0])]

    def mutate(self, document: Any) -> None:
        """Change one thing somewhere."""
        rng = self.rng
        while isinstance(document, dict | list) and document:
            places: list[Any] = list(document) if isinstance(document, dict) else list(range(len(document)))
            place = rng.choice(places)
            if isinstance(document[place], dict | list) and document[place] and rng.random() < 0.7:
                document = document[place]
                continue
            match rng.randrange(5):
                case 0:
                    del document[place]
                case 1 if isinstance(document, list):
                    document.insert(place, copy.deepcopy(document[rng.choice(places)]))
                case 1:
                    document[rng.choice(("x", "name", "more", "y", "", "dtype", "shape"))] = rng.choice(
                        _VALUES
                    )
                case 2:
                    document[place] = copy.deepcopy(document[rng.choice(places)])
                case _:
                    document[place] = copy.deepcopy(rng.choice(_VALUES))
            return

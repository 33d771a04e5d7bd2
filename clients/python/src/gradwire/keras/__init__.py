"""Keras's names for what models are made of and trained with.

`layers`           layers (generated); `layer` is what they share
`initializers`     what weights start from (generated); `initializer` is what they share
`losses`           losses, called as loss(y_true, y_pred) (generated); `loss` is what they share
`metrics`          metrics, computed by a job or added up here batch by batch
`schedules`        learning rates that change with the step (generated); `schedule` is what they share
`optimizers`       optimisers that step here, in NumPy (generated); `optimizer` is what they share
`cures`            what to do instead of keywords that Keras has and these classes do not
`pairs`            pairs of gradients and variables, checked before a step
`rates`            the learning rate of an optimiser, checked when it is set
`callbacks`        what watches a fit
`expansion`        a model as the server expands it
`initial_weights`  weights drawn here, for models that start in this process
`base_model`       a row of layers with their weights: built by the server, called on a tape, saved
`evaluation`       the loss and the metrics of predictions
`formats`          files of weights and models
`fit`              a compiled model and arrays become a job
`models`           `Sequential`
`model_checks`     what a model cannot take, refused before anything is sent
`shared_layers`    layers that stand in a model twice, or in two models
`naming`           names of classes as the wire has them
"""

from typing import TYPE_CHECKING

from gradwire._names.counterparts import PACKAGE
from gradwire._names.refusals import names_of
from gradwire.keras import callbacks, initializers, layers, losses, metrics, models, optimizers
from gradwire.keras.layers import Input
from gradwire.keras.models import Sequential

__all__ = [
    "Input",
    "Sequential",
    "callbacks",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
]


if not TYPE_CHECKING:  # else every name would have a type
    __getattr__ = names_of(__name__, globals(), PACKAGE)

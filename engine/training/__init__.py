"""Training: a job's document in, events and trained parameters out. It knows no process, disk or HTTP.

Random numbers are a function of (seed, purpose, name, step): `engine.arrays.philox`.

The stages in the order a job passes them:

    catalogue     named records with settings: how every list of names below is read
    initializers  losses  metrics  optimizers  schedules  activations  layers/     the records
    model         a list of layers, read
    scope         where layers write: a graph's document, weights, state, draws
    expand        a model as a train and a predict graph
    source        a model, a graph or a program as one objective
    objective     graphs, parameters, data: what is minimised
    decode        a job's document as a checked job (spec)
    step          loss, metrics, gradients and update as one tape over flat vectors
    plans         the tape, planned and bound for one size of batch
    memory        the numbers that stay from step to step
    batches       rows of the data in the order of an epoch
    run           the loop: events, validation, early stopping (stopping), snapshots, failures (failure),
                  parameters that do not learn (stalling)
    predict       what a trained job answers
"""

from engine.training.job.decode import decode_training
from engine.training.job.predict import predict
from engine.training.job.spec import TrainingEstimate, TrainingSpec
from engine.training.loop.checkpoint import Snapshot
from engine.training.loop.events import EpochDone, Event, Finished, Stalled, StepDone
from engine.training.loop.failure import TrainingFailure
from engine.training.loop.run import TrainingRun
from engine.training.model.expand import Expansion, expand_model

__all__ = [
    "EpochDone",
    "Event",
    "Expansion",
    "Finished",
    "Snapshot",
    "Stalled",
    "StepDone",
    "TrainingEstimate",
    "TrainingFailure",
    "TrainingRun",
    "TrainingSpec",
    "decode_training",
    "expand_model",
    "predict",
]

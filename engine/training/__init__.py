"""Training: a job's document in, events and trained parameters out. It knows no process, disk or HTTP.

`catalogue/`  optimisers, schedules, losses, metrics, initialisers, activations: named records with settings
`model/`      a list of layers becomes graphs
`job/`        a job's document becomes one checked specification and one tape a step
`loop/`       the loop, which goes on from any checkpoint with the same bits

Random numbers are a function of (seed, purpose, name, step): `engine.arrays.philox`.
"""

from engine.training.job.decode import decode_training
from engine.training.job.device import choose_device
from engine.training.job.estimate import TrainingEstimate, estimate_of
from engine.training.job.predict import predict
from engine.training.job.spec import TrainingSpec
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
    "choose_device",
    "decode_training",
    "estimate_of",
    "expand_model",
    "predict",
]

"""Keras's names for what models are made of and trained with."""

from gradwire import callbacks, initializers, layers, losses, metrics, models, optimizers
from gradwire.layers import Input
from gradwire.models import Sequential

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

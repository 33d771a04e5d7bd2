"""Keras's names for what models are made of and trained with."""

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

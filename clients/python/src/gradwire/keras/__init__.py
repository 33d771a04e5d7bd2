"""Keras's names for what is trained with: `keras.optimizers` and `keras.losses`."""

from gradwire import losses, optimizers

__all__ = ["losses", "optimizers"]

"""What to do instead of a keyword that Keras's classes take and these do not, by kind of thing.

What a single layer of Keras's takes beside is said by its record on the server, and is in `layers`.
"""

from __future__ import annotations

from collections.abc import Mapping

_DTYPE = "a model has one dtype: Sequential(dtype=…)"
_PENALTY = (
    "weights are held small by the optimizer's weight_decay, or by a penalty that a loop of your own adds to "
    "the loss"
)
_CONSTRAINT = "a loop of your own may assign to the variables after each step"
_COMPILE_IT = "say it with model.compile(optimizer=…, loss=…, metrics=…)"
_SET_IT = "call model.set_weights([…]), or assign to one of model.variables"

LAYER: Mapping[str, str] = {
    **dict.fromkeys(("kernel_regularizer", "bias_regularizer", "activity_regularizer"), _PENALTY),
    **dict.fromkeys(("embeddings_regularizer", "beta_regularizer", "gamma_regularizer"), _PENALTY),
    **dict.fromkeys(("kernel_constraint", "bias_constraint", "embeddings_constraint"), _CONSTRAINT),
    **dict.fromkeys(("beta_constraint", "gamma_constraint"), _CONSTRAINT),
    "dtype": _DTYPE,
    "batch_size": "fit takes it: leave it out here",
    "batch_shape": "give the shape of one row: input_shape=(…)",
    "batch_input_shape": "give the shape of one row: input_shape=(…)",
    "seed": "what is dropped follows the seed of fit, or gradwire.random.set_seed on tapes",
    "data_format": "channels come last",
    "weights": "set them on the model: model.set_weights([…])",
    "sparse": "there are no sparse inputs",
}
INITIALIZER: Mapping[str, str] = {"dtype": _DTYPE}
LOSS: Mapping[str, str] = {
    "name": "histories call a loss 'loss': leave it out",
    "dtype": _DTYPE,
    "ignore_class": "leave those rows out, or weight them in a loop of your own",
}
METRIC: Mapping[str, str] = {"dtype": "sums are float64: leave it out"}
SCHEDULE: Mapping[str, str] = {"name": "it changes nothing: leave it out"}
CALLBACK: Mapping[str, str] = {"verbose": "it prints nothing: leave it out"}
MODEL: Mapping[str, str] = {
    **dict.fromkeys(("optimizer", "loss", "metrics"), _COMPILE_IT),
    **dict.fromkeys(("weights", "variables", "trainable_variables", "trainable_weights"), _SET_IT),
    "layers": "add them with model.add, or make another model",
    "input_shape": "give it to the first layer",
    "run_eagerly": "a job always runs compiled, on the server",
    "learning_rate": "it is the optimizer's, which compile takes",
}

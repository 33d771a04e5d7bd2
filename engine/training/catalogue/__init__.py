"""What jobs refer to by name: one record each, with Keras's names, arguments and defaults.

`registry`      named records with settings: how `"adam"` and `{"name": "adam", "epsilon": 1e-8}` are read
`foreign`       names of other libraries, and what to write instead
`activations`   names of activations, and the op that each one is
`initializers`  the starting values of parameters
`losses`        which op each loss is, and what it expects of labels and predictions
`metrics`       sums and counts, so that the value of an epoch is over all its samples
`schedules`     learning rates as formulas of the step
`clipping`      limits on gradients before an update
`optimizers`    each one formula over tape variables
"""

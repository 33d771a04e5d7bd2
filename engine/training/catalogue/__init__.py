"""What jobs name: Keras's names, arguments and defaults, each one record.

`registry`      named records with settings: how `"adam"` and `{"name": "adam", "epsilon": 1e-8}` are read
`foreign`       names of other libraries, and what to write instead
`activations`   names of activations, and the op that each one is
`initializers`  what parameters start from
`losses`        which op each loss is, and what it expects of labels and predictions
`metrics`       sums and counts; an epoch's value is taken over all its samples
`schedules`     learning rates as formulas of the step
`clipping`      gradients kept within bounds before an update
`optimizers`    each one formula over tape variables
`foreign`       names that other libraries have, and what to write instead
"""

"""What names of PyTorch, TensorFlow, Keras and JAX are called here: the hints of attribute errors.

A table for each kind of thing. A value is code to write instead, or a sentence where there is no such code.
"""

from __future__ import annotations

from collections.abc import Mapping

_GRADIENT = (
    "record the loss inside `with gw.GradientTape() as tape:`, then grads = tape.gradient(loss, [w]); or "
    "gw.grad(f)(w) of a function"
)
_STOP = "gw.stop_gradient(x)"
_NOWHERE = (
    "tensors have no device: the server computes, so leave it out; gw.Client(url, device='cuda') says where"
)
_WATCHED = (
    "make it a gw.Variable(value), which is watched by itself, or call tape.watch(x) inside the tape's block"
)
_NOTHING_KEPT = "leave it out: gradients are returned by each call and never add up"
_WEIGHTS_OF_ROWS = "rows have no weights in a job: repeat rows, or weight them in a loop with gw.GradientTape"
_WHOLE_EPOCHS = "an epoch is all rows, once: leave it out, and choose batch_size"
_ON_THE_SERVER = "a job always runs compiled, on the server: leave it out"
_THE_OPTIMIZERS = "the rate is the optimiser's: compile(gw.optimizers.Adam(learning_rate=0.01), loss)"
_NO_AVERAGES = "there are no running averages of weights here"
_NO_NAME = "it changes nothing: leave it out"
_GIVEN_TO_STEPS = "variables are given to apply_gradients(zip(grads, variables)), not to the optimiser"

TENSORS: Mapping[str, str] = {
    "backward": _GRADIENT,
    "grad": "gradients are returned, not kept: " + _GRADIENT,
    "autograd": _GRADIENT,
    "gradients": _GRADIENT,
    "grad_fn": "print(tape.explain(loss, variables)) shows what a gradient passed through",
    "requires_grad": _WATCHED,
    "requires_grad_": _WATCHED,
    "retain_grad": "pass it to tape.gradient(loss, [x]) among the sources",
    "zero_grad": _NOTHING_KEPT,
    "zero_": "variable.assign(gw.zeros(shape))",
    "detach": _STOP,
    "detach_": _STOP,
    "data": "x.numpy() for the value, or float(x) of one number; variable.assign(value) to change it",
    "is_leaf": "a gw.Variable is a leaf, everything computed is not",
    "cpu": _NOWHERE,
    "cuda": _NOWHERE,
    "to": "x.astype(dtype) for another dtype; " + _NOWHERE,
    "device": _NOWHERE,
    "block_until_ready": "leave it out: x.numpy() waits for the value",
    "view": "x.reshape(...)",
    "view_as": "x.reshape(other.shape)",
    "unsqueeze": "gw.expand_dims(x, axis)",
    "expand": "gw.broadcast_to(x, shape)",
    "repeat": "gw.tile(x, repetitions)",
    "permute": "x.transpose(...)",
    "t": "x.T",
    "dim": "x.ndim",
    "get_shape": "x.shape",
    "float": "x.astype(gw.float32)",
    "double": "x.astype(gw.float64)",
    "half": "x.astype(gw.float16)",
    "long": "x.astype(gw.int64)",
    "int": "x.astype(gw.int32)",
    "type": "x.astype(dtype)",
    "cast": "x.astype(dtype)",
    "clone": "+x",
    "copy": "x.numpy() for a copy of the value; tensors never change, so none is needed to be safe",
    "copy_": "variable.assign(value)",
    "fill_": "variable.assign(gw.ones(shape) * value)",
    "add_": "variable.assign_add(delta)",
    "sub_": "variable.assign_sub(delta)",
    "mul_": "variable.assign(variable * factor)",
    "clamp": "x.clip(low, high)",
    "at": "gw.index_set(x, values, index) for .at[index].set(values), gw.index_add for .add",
    "set": "variable.assign(value), or gw.index_set(x, values, index) for some of its elements",
    "assign": "only a gw.Variable is assigned; this is a tensor, as w = w - ... makes it: "
    "keep the variable and write w.assign_sub(...)",
    "assign_sub": "only a gw.Variable is assigned; this is a tensor, as w = w - ... makes it",
    "assign_add": "only a gw.Variable is assigned; this is a tensor, as w = w + ... makes it",
    "eval": "x.numpy(), or float(x) of one number",
    "tolist": "x.numpy().tolist()",
    "item": "float(x), or int(x) of an integer",
    "apply": "gw.vmap(function)(x), or an op on the whole of x",
    "append": "tensors have a fixed size: collect parts in a list, then gw.stack(parts) or gw.concat(*parts)",
    "norm": "gw.norm(x)",
    "values": "x.numpy()",
    "iloc": "x[...]",
    "loc": "x[...]",
    "matmul": "x @ y",
    "mm": "x @ y",
    "bmm": "x @ y",
    "mv": "x @ y",
}

OPTIMIZERS: Mapping[str, str] = {
    "step": "optimizer.apply_gradients(zip(grads, variables)) does the step",
    "zero_grad": _NOTHING_KEPT,
    "param_groups": "optimizer.learning_rate = value",
    "lr": "optimizer.learning_rate",
    "add_param_group": "apply_gradients takes (gradient, variable) pairs: nothing is registered before",
    "state_dict": "copy the optimiser with copy.deepcopy or pickle",
    "load_state_dict": "copy the optimiser with copy.deepcopy or pickle",
    "build": "leave it out: slots are made when a variable is stepped first",
    "apply": "optimizer.apply_gradients(zip(grads, variables))",
    "init": "state is kept in the optimiser: optimizer.apply_gradients(zip(grads, variables))",
    "get_gradients": "tape.gradient(loss, variables)",
    "compute_gradients": "tape.gradient(loss, variables)",
    "variables": "the optimiser's state is its own; optimizer.iterations counts its steps",
}

_ALL_OF_THE_MODEL = (
    "a layer holds settings, its model the weights: model.%s, each variable called after layer and weight, "
    "as in 'dense.kernel'"
)
_OF_THE_MODEL = (
    "a layer holds settings, its model the weights, as variables called after layer and weight: "
    "{v.name: v for v in model.variables}['dense.%s'] for the layer 'dense'"
)

LAYER: Mapping[str, str] = {
    **{name: _OF_THE_MODEL % name for name in ("kernel", "bias", "gamma", "beta", "embeddings")},
    **{name: _OF_THE_MODEL % name for name in ("moving_mean", "moving_variance", "recurrent_kernel")},
    "weight": _OF_THE_MODEL % "kernel",
    "w": _OF_THE_MODEL % "kernel",
    "b": _OF_THE_MODEL % "bias",
    "weights": _ALL_OF_THE_MODEL % "variables",
    "variables": _ALL_OF_THE_MODEL % "variables",
    "trainable_variables": _ALL_OF_THE_MODEL % "trainable_variables",
    "trainable_weights": _ALL_OF_THE_MODEL % "trainable_variables",
    "non_trainable_variables": _ALL_OF_THE_MODEL % "variables",
    "non_trainable_weights": _ALL_OF_THE_MODEL % "variables",
    "parameters": _ALL_OF_THE_MODEL % "trainable_variables",
    "get_weights": "a layer holds settings, its model the weights: model.get_weights(), in the order of "
    "model.variables",
    "set_weights": "a layer holds settings, its model the weights: model.set_weights([...]), in the order of "
    "model.variables",
    "count_params": "model.count_params()",
    "build": "leave it out: a model has weights once it is called, or built from input_shape",
    "call": "a layer is called as part of its model: model(x)",
}

MODELS: Mapping[str, str] = {
    "parameters": "model.trainable_variables",
    "named_parameters": "[(v.name, v) for v in model.trainable_variables]",
    "train": "model(x, training=True) inside a tape, or model.fit(x, y)",
    "eval": "model(x), or model.predict(x): both run as for prediction",
    "forward": "model(x)",
    "call": "model(x)",
    "apply": "model(x)",
    "backward": _GRADIENT,
    "zero_grad": OPTIMIZERS["zero_grad"],
    "state_dict": "model.get_weights(), or model.save(path)",
    "load_state_dict": "model.set_weights(weights), or gw.models.load_model(path)",
    "predict_classes": "model.predict(x).argmax(-1)",
    "predict_proba": "model.predict(x)",
    "predict_on_batch": "model.predict(x)",
    "transform": "model.predict(x)",
    "score": "model.evaluate(x, y)",
    "fit_generator": "model.fit(x, y), with whole arrays or fields of an uploaded data set",
    "train_on_batch": "with gw.GradientTape() as tape: loss = loss_function(y, model(x, training=True)); "
    "then optimizer.apply_gradients(zip(tape.gradient(loss, v), v)) with v = model.trainable_variables",
    "test_on_batch": "model.evaluate(x, y)",
    "train_step": "a loop with gw.GradientTape, or model.fit(x, y)",
    "to": "model.fit(x, y, device='cuda') chooses where a job runs",
    "cuda": "model.fit(x, y, device='cuda')",
    "cpu": "model.fit(x, y, device='cpu')",
    "optimizer": "the object that was given to compile",
    "loss": "the object that was given to compile",
    "history": "history = model.fit(x, y), then history.history",
    "pop": "make a new model of the layers wanted: gw.Sequential(model.layers[:-1])",
    "get_layer": "next(layer for layer in model.layers if layer.name == name)",
    "kernel": "model.variables, by name such as 'dense.kernel'",
    "inputs": "the first layer's input_shape says what goes in",
    "non_trainable_variables": "[v for v in model.variables if not v.trainable]",
    "summary_string": "model.summary()",
}

#: Names of TensorFlow's module.
TENSORFLOW: Mapping[str, str] = {
    "add_n": "write sum(tensors), or gw.sum(gw.stack(tensors), axis=0)",
    "bool": "write gw.bool_",
    "boolean_mask": "write x[mask], with a NumPy array as the mask",
    "data": "give arrays, or data sets of client.datasets, to fit and to jobs",
    "foldl": "write gw.scan",
    "foldr": "write gw.scan(…, reverse=True)",
    "gradients": "write gw.GradientTape, or gw.grad",
    "hessians": "write gw.hessian",
    "linalg": "its functions are here: gw.det, gw.solve, gw.cholesky, gw.norm",
    "map_fn": "write gw.vmap(f)(xs), or gw.map(f, xs)",
    "newaxis": "write None, or np.newaxis",
    "print": "write print: it fetches the value",
    "py_function": "no Python runs on the server: write gw.custom_gradient",
    "numpy_function": "no Python runs on the server: write gw.custom_gradient",
    "recompute_grad": "write gw.checkpoint",
    "reduce_logsumexp": "write gw.logsumexp",
    "scalar_mul": "write a * x",
    "scatter_nd": "write gw.index_add(gw.zeros(shape), values, index)",
    "slice": "write x[a:b]",
    "strided_slice": "write x[a:b:step]",
    "switch_case": "write gw.cond",
    "case": "write gw.cond",
    "tensor_scatter_nd_add": "write gw.index_add",
    "tensor_scatter_nd_update": "write gw.index_set",
    "UnconnectedGradients": 'write unconnected_gradients="none" or "zero"',
    "vectorized_map": "write gw.vmap(f)(xs)",
}

PACKAGE: Mapping[str, str] = {
    **dict.fromkeys(
        ("tree_map", "tree_util", "tree", "tree_multimap", "tree_leaves"),
        "gradients have the structure of the arguments: {k: p[k] - rate * g[k] for k in p}",
    ),
    **TENSORFLOW,
    **dict.fromkeys(("backward", "retain_grad", "grad_fn"), _GRADIENT),
    **dict.fromkeys(("requires_grad", "requires_grad_"), _WATCHED),
    "zero_grad": _NOTHING_KEPT,
    "clone": "tensors never change, so nothing has to be copied",
    **{name: f"write math.{name} or np.{name}" for name in ("pi", "e", "inf", "nan")},
    "tensor": "gw.constant(value), or gw.Variable(value) for what is trained",
    "array": "gw.constant(value), or gw.Variable(value) for what is trained",
    "asarray": "gw.convert_to_tensor(value)",
    "as_tensor": "gw.convert_to_tensor(value)",
    "from_numpy": "gw.constant(array)",
    "numpy": "NumPy itself: np.sin(tensor) records; gw.sin(tensor) does the same",
    "no_grad": "leave it out: only what stands inside a tape's block is recorded; "
    "tape.stop_recording() interrupts it",
    "enable_grad": "with gw.GradientTape() as tape:",
    "inference_mode": "leave it out: only what stands inside a tape's block is recorded",
    "manual_seed": "gw.random.set_seed(seed)",
    "optim": "gw.optimizers",
    "autograd": "gw.grad(f), gw.GradientTape, gw.jacobian(f) and gw.hessian(f)",
    "value_and_gradient": "gw.value_and_grad(f)",
    "gradient": "gw.grad(f)(x), or tape.gradient(loss, variables)",
    "jit": "leave it out: gw.function(f) publishes a function to the server",
    "pmap": "gw.vmap(f)",
    "jacfwd": "gw.jacobian(f, method='forward')",
    "jacrev": "gw.jacobian(f, method='reverse')",
    "linearize": "gw.jvp(f, x, v)",
    "lax": "gw.scan, gw.while_loop, gw.cond and gw.map",
    "Module": "gw.Sequential([...])",
    "Parameter": "gw.Variable(value)",
    "placeholder": "an argument of your function: nothing is declared before",
    "Session": "leave it out: values are fetched when they are read, x.numpy()",
    "session": "leave it out: values are fetched when they are read, x.numpy()",
    "global_variables_initializer": "leave it out: gw.Variable(value) has its value at once",
    "Adam": "gw.optimizers.Adam",
    "SGD": "gw.optimizers.SGD",
    "Dense": "gw.layers.Dense",
    "Model": "gw.Sequential([...])",
    "device": _NOWHERE,
    "cuda": _NOWHERE,
    "float": "gw.float64",
    "double": "gw.float64",
    "dtype": "gw.float64 and the like, or NumPy's dtypes",
    "is_tensor": "isinstance(x, gw.Tensor)",
    "Tape": "gw.GradientTape",
}

OPTIMIZER_SETTINGS: Mapping[str, str] = {
    "lr": "it is called learning_rate, as in optimizer.learning_rate = 0.01",
    "alpha": "the rate is called learning_rate, RMSprop's decay rho",
    "betas": "the settings are called beta_1 and beta_2",
    "b1": "it is called beta_1",
    "b2": "it is called beta_2",
    "eps": "it is called epsilon",
    "decay": "give learning_rate a schedule of gw.optimizers.schedules, such as InverseTimeDecay; for the "
    "decay of weights weight_decay",
    "lr_decay": "give learning_rate a schedule of gw.optimizers.schedules, such as ExponentialDecay",
    "weight_decay_rate": "it is called weight_decay",
    "max_grad_norm": "it is called global_clipnorm",
    "clip_norm": "it is called clipnorm",
    "clip_value": "it is called clipvalue",
    "params": _GIVEN_TO_STEPS,
    "parameters": _GIVEN_TO_STEPS,
    "name": _NO_NAME,
    "jit_compile": _NO_NAME,
    "use_ema": _NO_AVERAGES,
    "ema_momentum": _NO_AVERAGES,
    "ema_overwrite_frequency": _NO_AVERAGES,
    "loss_scale_factor": "multiply the loss, and divide the gradients",
    "gradient_accumulation_steps": "add gradients up in a loop of your own, and apply their sum",
}

COMPILE: Mapping[str, str] = {
    "lr": _THE_OPTIMIZERS,
    "learning_rate": _THE_OPTIMIZERS,
    "epochs": "it belongs to fit: model.fit(x, y, epochs=...)",
    "batch_size": "it belongs to fit: model.fit(x, y, batch_size=...)",
    "metric": "metrics=[...], a list",
    "criterion": "it is called loss",
    "optim": "it is called optimizer",
    "loss_weights": "a Sequential has one loss; weigh terms in a loop of your own with gw.GradientTape",
    "weighted_metrics": _WEIGHTS_OF_ROWS,
    "run_eagerly": _ON_THE_SERVER,
    "jit_compile": _ON_THE_SERVER,
    "steps_per_execution": _ON_THE_SERVER,
    "auto_scale_loss": "nothing is scaled: leave it out",
}

FIT: Mapping[str, str] = {
    "lr": _THE_OPTIMIZERS,
    "learning_rate": _THE_OPTIMIZERS,
    "nb_epoch": "it is called epochs",
    "n_epochs": "it is called epochs",
    "num_epochs": "it is called epochs",
    "batch": "it is called batch_size",
    "loss": "it belongs to compile: model.compile(optimizer, loss)",
    "optimizer": "it belongs to compile: model.compile(optimizer, loss)",
    "metrics": "it belongs to compile: model.compile(optimizer, loss, metrics=[...])",
    "val_split": "it is called validation_split",
    "val_data": "it is called validation_data",
    "sample_weight": _WEIGHTS_OF_ROWS,
    "class_weight": _WEIGHTS_OF_ROWS,
    "initial_epoch": "epochs count from 0 in each fit, which goes on from the model's weights: leave it out",
    "steps_per_epoch": _WHOLE_EPOCHS,
    "validation_steps": "validation takes all of its rows: leave it out",
    "validation_batch_size": "it does not change the result: leave it out",
    "validation_freq": "validation comes after each epoch: leave it out",
    "workers": _ON_THE_SERVER,
    "use_multiprocessing": _ON_THE_SERVER,
    "random_state": "it is called seed",
}

EVALUATE: Mapping[str, str] = {
    "sample_weight": _WEIGHTS_OF_ROWS,
    "steps": "all rows are evaluated: leave it out",
    "callbacks": "callbacks hear of fits only",
}

LAYERS: Mapping[str, str] = {
    "Linear": "gw.layers.Dense(units): the size of the input is taken from the data or from input_shape",
    "ReLU": "gw.layers.Activation('relu')",
    "Sigmoid": "gw.layers.Activation('sigmoid')",
    "Tanh": "gw.layers.Activation('tanh')",
    "Softmax": "gw.layers.Activation('softmax')",
    "LeakyReLU": "gw.layers.Activation('leaky_relu')",
    "BatchNorm1d": "gw.layers.BatchNormalization()",
    "BatchNorm": "gw.layers.BatchNormalization()",
    "LayerNorm": "gw.layers.LayerNormalization()",
    "Module": "gw.Sequential([...])",
    "Sequential": "gw.Sequential([...])",
    "Lambda": "an Activation, or a loop with gw.GradientTape around your own function",
}

LOSSES: Mapping[str, str] = {
    "mse": "gw.losses.mean_squared_error, or the name 'mse' in compile",
    "mae": "gw.losses.mean_absolute_error, or the name 'mae' in compile",
    "MSE": "gw.losses.MeanSquaredError()",
    "MAE": "gw.losses.MeanAbsoluteError()",
    "MSELoss": "gw.losses.MeanSquaredError()",
    "L1Loss": "gw.losses.MeanAbsoluteError()",
    "BCELoss": "gw.losses.BinaryCrossentropy()",
    "BCEWithLogitsLoss": "gw.losses.BinaryCrossentropy(from_logits=True)",
    "CrossEntropyLoss": "gw.losses.SparseCategoricalCrossentropy(from_logits=True)",
    "NLLLoss": "gw.losses.SparseCategoricalCrossentropy()",
    "cross_entropy": "gw.losses.SparseCategoricalCrossentropy(from_logits=True)",
    "CrossEntropy": "gw.losses.SparseCategoricalCrossentropy()",
    "crossentropy": "gw.losses.SparseCategoricalCrossentropy()",
}

_NN = {
    "Module": "gw.Sequential([...])",
    "Parameter": "gw.Variable(value)",
    "Sequential": "gw.Sequential([...])",
    "functional": "the functions of gw.nn and gw.losses",
    "mse_loss": LOSSES["MSE"],
    "cross_entropy": LOSSES["cross_entropy"],
    "softmax_cross_entropy_with_logits": "gw.losses.CategoricalCrossentropy(from_logits=True)",
}
NN: Mapping[str, str] = {**LAYERS, **LOSSES, **_NN}

"""Derivatives of Python code.

`tape`               `GradientTape`
`recording_tape`     its `with` block, and what it watches
`sources`            what a tape differentiates with respect to
`target_dtype`       a target that is no real floating number: what to differentiate in its place
`targets`            what a tape differentiates
`misuse`             what a tape was asked that it cannot know
`gradient_requests`  one question about a tape: the lowered trace, names, and the result
`stale`              gradients asked for again after their variables were assigned
`views`              parts of variables, made anew where a gradient by them is asked for
`curvature`          second derivatives that are zero because of a piecewise linear op
`swapped`            results that are unpacked the other way round
`gradient_warnings`  warnings of gradients that are None, zero or not finite
`variable_findings`  findings about a variable itself: not finite, or several values
`argument_lists`     lists of numbers as arguments, on which `*` and `+` are refused
`subtracted`         a gradient by one argument that is taken off another
`zero_matrices`      matrices of derivatives that are zero because of ops without slope or curvature
`list_arguments`     lists that a function uses as arrays, and what to pass instead
`functional`         `grad` and `value_and_grad`
`explanation`        `explain`: why the gradient of a function is what it is
`scalar_target`      what a differentiated function returns: one number
`transformed`        functions made of other functions, as objects that pickle
`traced_function`    a Python function run once on real arguments
`directional`        `jvp`, `vjp`, `hvp`, `gnvp`
`matrices`           `jacobian` and `hessian`
`vmap`               `vmap`
`nested`             derivatives inside a recording, which become nodes
`control`            `scan`, `while_loop`, `cond`, `map`, `checkpoint`
`scan_returns`       bodies of `scan` that do not return (carry, y)
`custom_gradient`    functions with a derivative rule of the user's own
`implicit`           `root` and `fixed_point`
`published`          `function`: a Python function whose graph lives on the server
`frozen_draws`       random numbers that a published function draws once
`frozen_numbers`     plain numbers that a published function reads once
`diverging_loops`    losses that grow from step to step of a loop
"""

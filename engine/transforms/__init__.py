"""Transforms: a tape in, a longer tape out.

`vjp`         the backward walk: cotangents of the targets to cotangents of the inputs
`jvp`         the forward walk: tangents of the inputs to tangents of the outputs
`vmap`        a tape for one row becomes a tape for N rows
`masks`       masks of what a target selects, carried backward beside the adjoints
`holomorphy`  whether every op on a path is complex differentiable
`linearity`   whether a function is linear in some of its inputs, proven op by op
"""

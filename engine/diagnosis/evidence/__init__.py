"""What a diagnosis knows before it judges: structure, values, adjoints and influence of a recorded tape.

`structure`             paths from a variable to a target, and what cuts them
`unroll`                loops and branches written out as one run took them
`retrace`               the steps of an earlier run taken again with other inputs
`interpreter`           the tape run step by step with every value kept
`edge_adjoints`         the adjoint of every instruction, and what each edge passed on
`absolute_sensitivity`  the same with |J| instead of J, so that nothing cancels
`influence`             which elements affect which
`element_masks`         sets of elements, carried over broadcasting
`surroundings`          what the target does around a point of gradient zero
`extended_precision`    the same computation in wider floats
"""

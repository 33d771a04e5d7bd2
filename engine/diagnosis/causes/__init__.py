"""Why a gradient is what it is: each cause is found here from the evidence.

`execution_trace`  the steps that one run took
`nonfinite`        where a value that is not finite was first made
`infinite`         why elements of a gradient are NaN or infinite
`zero`             why elements of a gradient are zero
`zero_derivatives` why a Hessian or a Jacobian is zero
`piecewise`        functions that are linear in pieces
`broadcasts`       rows that meet a column by accident
`dead_ends`        what nothing reads: a loss that is assigned anew
`cotangents`       backward functions that do not use their cotangent
`label_watches`    labels that a hinge or a binary cross-entropy does not mean
`lost_digits`      differences of numbers that are nearly the same
`provenance`       where a value came from: the zero of a product, followed to the data behind it
`equal_units`      hidden units that start equal, and stay so
`label_warnings`   class indices that meet probabilities as numbers
`narrow_casts`     casts that round numbers to the same one
`unit_warnings`    degrees for radians and percents for fractions, by names and values
`static_warnings`  warnings that hold whatever the values, in loops as well
`unread_inputs`    inputs that no node reads
`value_warnings`   warnings that take a value or two: singular matrices, lost digits
`warnings`         what is true of a gradient that exists and easily overlooked
`first_nonfinite`  the first value that is not finite in a step of a training job
"""

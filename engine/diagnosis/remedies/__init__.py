"""What to write instead: tables of mistakes and their remedies, each tried before it is offered.

A remedy is offered if it gives a finite gradient of a sensible size for every variable that has a part in
the place, and says how it differs if it changes a value that was finite. Otherwise the fix says what is
undefined, where, and what kinds of remedy there are.

The tables, which are data:

`table`               the record of a remedy: what was written, what is wrong with it, what to write
`conditions`          when an entry applies, and the literals that its forms use
`cosines`             the cosine of two vectors, and norms, as they are written by hand
`angle_remedies`      angles
`power_remedies`      powers and roots
`logarithm_remedies`  logarithms
`quotient_remedies`   quotients
`range_remedies`      singular matrices, and exponentials out of range
`cancelling`          differences of numbers that are nearly the same
`pole_remedies`       all of these: gradients that are NaN or infinite
`kink_remedies`       the flat side of a kink
`zero_remedies`       gradients that are zero
`soft`                the record of a cut: what has no slope, and what to write in its place
`soft_losses`         accuracies in place of losses
`soft_places`         counts and places
`soft_steps`          comparisons, choices and rounding
`softening`           all of these: gradients that are cut

What looks for a remedy in them, and tries it:

`forms`               expressions of letters, in the user's words and recorded to be tried
`matching`            entries of the tables found in a recording
`trial`               a remedy tried: the tape with some steps written anew, differentiated
`factors`             what a culprit multiplies or divides by, and why that is 0
`relaxation`          truth values in numbers: all that is computed with a comparison, softened at once
`prescription`        the remedy for a culprit

What decides which fix is given:

`log_domain`          the logarithm of what is out of range, by the logarithms of its parts
`logits`              logarithms of probabilities that are picked by an index
`stable_forms`        the stable form of an expression
`scaling`             what is saturated, of a smaller argument
`plain_truths`        what nothing to paste may hide: impossible data, units, bounds that are taken
`leaves`              an input that lies where something stops to be defined
`loops`               the condition of a loop, as it was written
`rest`                what to do if the target stands still
`domain_guards`       how to keep away from where an op is undefined or too steep
`missing_values`      a mean or a sum of data with NaN, without them
`spoiled_data`        data that came in with NaN or infinities
`integer_targets`     the op that made a whole number of the target
`complex_targets`     the square of something complex, meant as that of its magnitude
`structural_fixes`    the fix of a gradient that does not exist
`numeric_fixes`       the fix of a gradient that is zero, NaN or infinite

What is valid and seldom meant:

`calls`               the call that a step was written as
`loss_misuses`        losses that are given something else than labels and probabilities
`probability_misuses` logarithms of numbers that are no probabilities: a sigmoid or softmax is missing
`axis_misuses`        sums of rows that meet columns, a lone index of an einsum, a softmax across the labels
`formula_misuses`     formulas: / 2 * s ** 2, the root of a squared mean, degrees, tiny steps
`product_misuses`     X * w for X @ w, and v.T of a vector
`name_misuses`        a pH of a natural logarithm, a half-life without log 2
`residual_misuses`    means of residuals with their signs
`always_same`         sums and norms that are the same whatever they are computed from
`reduction_misuses`   max(x, 0), whose 0 is an axis
`misuses`             all of these, and those of a table: by the values, and by the recording alone
"""

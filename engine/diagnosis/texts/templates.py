"""Every sentence as a template, by its code; what is said of single ops stands in the tables of remedies.

A template of a fix has no full stop: `rendering` puts it behind the notes that belong to the sentence.
"""

from __future__ import annotations

from collections.abc import Mapping

FIXES: Mapping[str, str] = {
    # -- text to paste
    "write": "Write {edits}: {why}",
    "begin": "Begin with {name} = {new}: {why}",
    "train": "Train on {new} instead: {why}",
    "say": "{text}",
    # -- a gradient that does not exist
    "reduce_target": "Write mean({target}) or sum({target}) for {target}, or ask for the vjp",
    "reduce_residual": "Write sum(({target}) ** 2) for {target}, for residuals with their signs would "
    "cancel; or ask for the vjp",
    "float_dtype": "Give '{name}' a floating dtype, such as float64, or leave it out of wrt",
    "other_head": "Ask for the target that '{name}' feeds, or add that output to '{target}'",
    "rebound": "Use '{name}' before it is assigned anew, or give the later value a new name",
    "overwritten": "Let '{later}' read what '{lost}' holds, or give one of both another name",
    "shape_only": "Use the values of '{name}' in '{target}', or leave it out of wrt",
    "constant_target": "Compute '{target}' from '{name}'",
    "unused": "Use '{name}' in '{target}', or leave it out of wrt",
    "differs_by_case": "Write {name} for {other}, where '{name}' is meant: '{target}' reads '{other}' only",
    "named_constant": "Give '{word}' a value before it is used, computed from '{name}': nothing assigns it, "
    "and no input has the name, so that it is {number}",
    # -- cuts
    "stopped": "Write {x} for {node}, unless the gradient is stopped on purpose: then there is none to have",
    "inner_cut": "Replace {node} by a smooth function",
    "places": "What {node} gives are places, which have no slope: use the values that stand there, or weigh "
    "them softly, as softmax does",
    "integers": "Leave {node} in a floating dtype, and convert after the target is computed",
    "flat_op": "Replace {node} by a smooth function: {op} is flat wherever it has a slope",
    # -- values that are not finite
    "too_small": "What {node} reads is not 0 but too small for its dtype: compute with logarithms, a product "
    "as a sum of them",
    "no_underflow": "Start from values for which {node} does not underflow",
    "scale_target": "Scale the target down, or {x} up",
    "singular_jacobian": "The Jacobian of the function of '{node}' is singular or ill-conditioned at the "
    "solution, or its linear system was not solved: look at its Jacobian there, scale the equations, or "
    "raise "
    "linear_steps or linear_tolerance",
    "backward_function": "Look into the backward function of '{node}': evaluate it by itself on these values",
    "inner_functions": "Look into the functions of '{node}': diagnose them by themselves on these values",
    "other_value": "Choose another value of '{name}' than {value}: what is divided or taken a root of is 0 "
    "there",
    "other_start": "Choose another value of '{name}' than {value}: {node} is not defined there",
    "negative_power": "A negative number has no derivative in its exponent: write {x} ** stop_gradient({y}), "
    "or keep the base positive, as in maximum({base}, 1e-12) ** {exponent}",
    "regular_matrix": "{op} takes regular matrices, and {x} is none: a little on the diagonal makes a "
    "singular "
    "matrix regular",
    "inside_domain": "Keep what {node} reads inside of where {op} is defined: start from other values, or "
    "compute it from a variable that may be any number, as softplus makes a positive number of one and tanh "
    "one between -1 and 1",
    "leaf_at_pole": "{node} is not defined there, because {cause}: send other values of '{name}', leave "
    "those "
    "elements out, or, if '{name}' is to be learned, compute it from a variable that may be any number, as "
    "softplus makes a positive number of one",
    "mask_literal": "Write {sign}1e9 for {sign}inf: a row of nothing but -inf has no softmax",
    "mask_data": "Write a large finite number for each infinity of '{node}', such as -1e9 for -inf: a row of "
    "nothing but -inf has no softmax",
    "variable_not_finite": "'{node}' itself is not finite. If updates made it so, the steps are too large, "
    "or "
    "go up where they should go down: start anew with a smaller learning rate, and subtract the gradient",
    "literal_inf": "Write 1e9 for inf",
    "literal_nan": "Write a number for nan",
    "constant_inf": "Write a finite number for the constant '{node}', such as 1e9 for inf",
    "constant_nan": "Write a finite number for the constant '{node}'",
    "clean": "Leave out what is not finite in '{node}', and the rows of every tensor that it meets; "
    "where(isfinite({node}), {node}, 0) in the program counts it as the value 0",
    "masked_backward": "Ask with `masked_backward`: nothing selects the elements that are not finite",
    "has_to_be_positive": "{text} is {least}, and has to be positive for its logarithm, as a rate is: "
    "compute it as exp({node}) or softplus({node}); a bound would hide it",
    "zero_divisor_of_exp": "'{name}' is 0{place}, and {node} divides by it: the exponential tends to 0 "
    "there, and any bound on the quotient would make it 1. Leave that element out, or send '{name}' "
    "from its absolute zero, as {name} + 273.15 if it holds degrees Celsius",
    "zero_divisor": "'{name}' is 0{place}, and {node} divides by it: look at the data, send another value, "
    "or leave it out; a bound on what follows would hide it",
    # -- zeros
    "far_argument": "{x} is {value} in {node}, which is 0 there by rounding: check the units, for it should "
    "be of order 1",
    "bounds_taken": "In {nodes} the bound {bound} is taken everywhere, so that '{name}' has no part in "
    "'{target}' here: start from values for which what it bounds is on the other side, or let that in "
    "without the bound",
    "saturated": "Bring {x} nearer to 0 (scale or normalise it), or use the loss that takes logits, which "
    "does "
    "not saturate",
    "unselected_where": "Check the condition {condition}, which chooses the other side at every element: if "
    "it "
    "is meant, the zero is right",
    "unselected": "Check the choice in {node}: if it is meant, the zero is right",
    "stationary": "Nothing, where this is the optimum; else start from another value of {x}",
    "cancellation": "Nothing, if the target does not depend on it: in {node} the parts add up to 0. Else "
    "rewrite the difference so that its terms do not cancel",
    "underflow": "Compute with logarithms, so that the factors of {node} stay in range",
    "overflow": "Scale {x} down in {node}, or compute with logarithms",
    "empty_selection": "See that {node} selects something, or leave it out where it does not",
    "cancels_whatever": "Leave '{name}' out, or give it a fixed value: whatever the values are, its parts "
    "cancel in {node}, so that it has no influence on '{target}'",
    "cancels_always": "Start from other values, unless '{name}' is to have no part in '{target}': at these "
    "values its parts cancel in {node}",
    "minimum": "Nothing: '{target}' is at a minimum in '{name}'; for training, that is the end",
    "maximum": "Start from another value of '{name}': this one is at a maximum of '{target}'",
    "saddle": "Start from another value of '{name}': this one is between a rise and a fall of '{target}'",
    "empty_scan": "Give '{node}' at least one element to go over, or a length of at least 1",
    "idle_comparison": "Start '{node}' from values for which its condition {condition} holds; or, if the "
    "comparison stands the wrong way round, turn it: {turned}",
    "idle": "Start '{node}' from values for which its condition holds",
    "use_cotangent": "Let it use {names}: what comes back from the target is multiplied by the slope",
    "diagnose_sum": "Ask for the diagnosis of sum({target})",
    "curved": "Write a function with curvature for {op}, such as huber or logaddexp: Newton's method and "
    "standard errors need it",
    "keep_both": "Let the later '{name}' read the first one, as in {name} = {name} + …, or give one of them "
    "another name",
    "use_or_leave": "Let '{target}' read '{name}', or leave it out",
    "multiply_cotangent": "Multiply what it returns by its cotangent: write {new} for {old} there",
    "reshape": "Reshape one of them",
    "meant": "Nothing, if that is meant",
    "larger_step": "Write a step of about {best} for {width}, or the derivative as a formula",
    # -- factors of zero
    "factor_unknown": "Start from other values: {node} multiplies by 0",
    "factor_zero": "See to it that {text} is not 0, if it is not meant to be",
    "factor_constant": "Write another number than 0 for {text}: what it multiplies has no part in the target",
    "factor_vanished": "Bring {text} back into range: {cause}",
    "factor_scalar": "Give '{name}' another value than 0: what it multiplies has no part in the target",
    "factor_array": "Start '{name}' from small random numbers instead of 0, if it holds weights; if it holds "
    "labels or a mask, see that they are meant to be 0",
    "factor_caused": "See to it that {text} is not 0: {cause}",
}

#: Added within the sentence.
INLINE: Mapping[str, str] = {
    "on_request": "; or ask with `stabilize`",  # what queries have, and jobs have not
    "wider": ", or in float64 (`dtype`)",
}

#: Added behind the sentence.
AFTER: Mapping[str, str] = {
    "each": "Every other cut on the way has to go as well.",
    "beside": "That alone is not enough: something else is not finite either.",
    "still": "Its gradient is 0 at these values all the same: start from others.",
    "changes": "It is another function: {new} instead of {old}{place}.",
    "masked": "Or ask with `masked_backward`: nothing selects the elements that are not finite.",
    "or": "Or: {other}",
    "of_value": "Of the value: {other}",
}

#: Warnings on a gradient that exists.
CAVEATS: Mapping[str, str] = {
    "partial_path": "One path from '{name}' to '{target}' carries no gradient: {cut}.",
    "nonfinite_target": "The gradient is finite and '{target}' is not: {because}.",
    "cancellation": "{count} of {size} elements of the gradient of '{name}' are terms that cancel: what is "
    "left "
    "is rounding.",
    "partial_zero": "{count} of {size} elements of the gradient of '{name}' are zero.",
    "partial_zero_because": "{count} of {size} elements of the gradient of '{name}' are zero: {because}.",
    "dead_path": "One path carries nothing: {op} at '{node}' passes no gradient on for any element.",
    "vanishing": "The gradient of '{name}' is at most {size}: it shrinks most at '{node}'.",
    "exploding": "The gradient of '{name}' reaches {size}: it grows most at '{node}'.",
    "kink": "{op} at '{node}' has a kink at {count} of {size} elements.",
    "kink_convention": "{op} at '{node}' has a kink at {count} of {size} elements. {convention}",
    "masked": "masked_backward took as 0 what {op} at '{node}' passes back, which nothing selects.",
    "masked_elements": "masked_backward took as 0 what {op} at '{node}' passes back at {count} of {size} "
    "elements, which nothing selects: {places}.",
    "broadcast": "{op} at '{node}' broadcasts {first} against {second} to {result}: every element meets "
    "every "
    "other.",
    "ignored_cotangent": "The backward function of {op} at '{node}' does not use its cotangent: output "
    "{output} "
    "is the same whatever comes back from the target, so that the gradient is wrong behind anything but a "
    "plain "
    "sum.",
    # -- likely mistakes
    "faint_probability": "{op} at '{node}' takes probabilities down to {least}, which count as 1e-7, where "
    "the "
    "slope is 0; from logits it is exact.",
    "no_probability": "{op} at '{node}' takes {written} for probabilities, and {count} of {size} lie "
    "outside of 0 "
    "to 1, such as {example}: they are clipped.",
    "axis_as_number": "{op} at '{node}' is the {most} element along axis 0: the 0 is an axis, and no number "
    "to "
    "compare with.",
    "rows_meet_columns": "{op} at '{node}' meets the {n} columns of a square matrix with {rows}, "
    "which has one "
    "number for each row: without keepdims it lies along the other axis.",
    "lone_index": "einsum at '{node}' sums {operand} over {index} alone, and multiplies what is "
    "left element by "
    "element: '{written}' is no product of matrices.",
    "crossed_softmax": "{op} at '{node}' runs along axis 0, over the rows, and {sum} picks along "
    "axis 1: what is "
    "picked is no probability among the classes of a row.",
    "multiplied_below": "multiply at '{node}' multiplies by {text} what / 2 divided, and the "
    "density is divided "
    "by {scale} elsewhere: the exponent of a normal density is divided by 2 * {text}.",
    "root_of_squared_mean": "sqrt at '{node}' is abs({mean}), in which errors of opposite sign "
    "cancel, and no "
    "root mean square.",
    "squared_mean": "{op} at '{node}' is taken of {mean}, in which residuals of opposite sign cancel.",
    "equal_units": "The {n} units of {layer} are one and the same: what '{name}' and '{after}' hold is "
    "equal for all of them, and so are their gradients, so that they stay equal.",
    "class_indices": "{op} at '{node}' takes {labels}, which are class indices, one a row, as numbers "
    "along {along} of the classes: what a class counts is its index.",
    "whole_rows": "getitem at '{node}' takes whole rows of {x} by the labels {labels}, and not from "
    "each row the element of its label.",
    "narrow_cast": "astype at '{node}' rounds {x} to steps of {unit}, for {dtype} has no more digits "
    "there: {old} becomes {new}.",
    "flat_transpose": "{op} at '{node}' takes the transpose of {vector}, which has one axis: it is "
    "{vector} itself, and what comes out is no matrix and no inner product.",
    "unreduced_product": "{op} at '{node}' meets {data}, one number a row, along the columns of "
    "{product}, which is ({n}, {n}) and no sum: it multiplies element by element.",
    "summed_along_columns": "{sum} adds up each column of {product}, and {op} at '{node}' meets it with "
    "{data}, which has one number a row.",
    "signed_residuals": "{op} at '{node}' is taken of {residual}, residuals with their signs: it has no "
    "minimum, for it falls without end as they grow, and those of opposite sign cancel.",
    "degrees_by_value": "{op} at '{node}' takes radians, and '{name}' holds degrees, as {value} tells.",
    "percent": "pow at '{node}' takes '{name}' for a fraction, and {value} is a percentage.",
    "natural_logarithm": "log at '{node}' is the natural logarithm, and '{name}' is made of a decadic one.",
    "half_life": "exp at '{node}' leaves 37 percent after one '{name}', and no half.",
    "degrees": "{op} at '{node}' takes radians, and '{name}' holds degrees by its name.",
    "tiny_step": "divide at '{node}' divides a difference by {divisor}, and its terms are rounded "
    "to {unit} of "
    "their size: few of its digits are right, or none.",
    "singular_up_to_rounding": "{op} at '{node}' takes {text}, which is singular up to rounding: "
    "its condition "
    "number is {condition}, so that few digits of the result are right, or none.",
    "lost_digits": "{op} at '{node}' subtracts numbers that are nearly the same: few digits of {text} are "
    "right, or none.",
    "labels_of_hinge": "{op} at '{node}' is a hinge, which takes labels -1 and 1, and {text} holds "
    "0 and 1: {count} of "
    "{size} elements are 1 whatever is predicted.",
    "labels_of_margin": "{op} at '{node}' is a logistic loss of labels times scores, which takes labels -1 "
    "and 1, and {text} holds 0 and 1: {count} of {size} elements are log(2) whatever is predicted.",
    "labels_of_probability": "{op} at '{node}' takes labels from 0 to 1, as every binary cross-entropy "
    "does, and {text} runs from {low} to {high}: outside of that the loss has no minimum, and falls without "
    "end.",
    "no_probability_in_logs": "logarithms are taken of {p} and of 1 minus it, as of a probability, and it is "
    "{kind}, which has any values: they are NaN below 0 and beyond 1.",
    "no_softmax_in_log": "{op} at '{node}' takes {p} for the probabilities of classes, and it is {kind}, "
    "which has any values: the logarithm is NaN below 0, and nothing makes a row add up to 1.",
    "zero_by_cut": "{what} of '{target}' with respect to '{name}' is zero. {because}",
    "zero_by_flat_side": "{what} of '{target}' with respect to '{name}' is zero at these values: {op} at "
    "'{node}' has a flat side.",
    "piecewise_linear": "{what} of '{target}' with respect to '{name}' is zero everywhere: '{target}' is "
    "piecewise linear in it, with kinks where {op} at '{node}' has them.",
    "dead_store": "'{name}' is assigned anew after line {line}, and nothing reads what line {line} computes.",
    "dead_store_of_inputs": "'{name}' is assigned anew after line {line}, and nothing reads what line {line} "
    "computes: the target does not depend on {inputs}.",
    "dead_end": "Nothing reads '{name}' of line {line}, and '{target}' does not depend on {inputs}.",
    "unread_input": "The input '{name}' is given, and nothing reads it.",
    "unread_beside_constant": "The input '{name}' is given, and nothing reads it; '{word}', which is "
    "read, is {number}.",
    "labels_second": "{op} at '{node}' takes the labels first, and {first}, its first argument, depends on "
    "'{name}', while {second} does not.",
    "constant_prediction": "{op} at '{node}' has a constant as its prediction, and labels that depend on "
    "what is learned: its arguments are the wrong way round.",
    "negative_prediction": "{op} at '{node}' takes {text} for {what}, which are positive, and it may be "
    "negative: what is below 0 is clipped, and passes a wrong gradient or none.",
    "unbounded_prediction": "{op} at '{node}' takes {text} for probabilities, and it is {kind}, which has "
    "any values: those outside of 0 to 1 are clipped.",
}

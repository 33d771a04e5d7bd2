"""The remedies for gradients that are zero: what is always the same, and what is flat here."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diagnosis.remedies.conditions import (
    alike,
    exponent,
    last_axis,
    no_base,
    no_exponent,
    of_one,
    of_one_beside_last,
    one_left,
    too_few,
    within,
)
from engine.diagnosis.remedies.cosines import NX, RX
from engine.diagnosis.remedies.kink_remedies import KINK_REMEDIES
from engine.diagnosis.remedies.table import ANY, CANCELS, ZERO, Remedy

_STANDARD = "(x - mean(x, axis=A, keepdims=K)) / std(x, axis=A, keepdims=K, correction=C)"
_SOFTMAX = ("softmax(x, axis=A)", "exp(x) / sum(exp(x), axis=A, keepdims=K)")

ZERO_REMEDIES: Sequence[Remedy] = (
    # -- over an axis of one element
    *(
        Remedy(
            before,
            ZERO,
            (form,),
            why="the classes lie along the last axis; the one that was given has a single element, as in a "
            "batch of one row",
            plain="Run it along the axis of the classes: the one that was given has a single element",
            says=f"{what} over an axis of one element is always {number}",
            reason="constant",
            when=of_one_beside_last,
            words=last_axis,
            keeps=True,
        )
        for before, form, what, number in (
            (_SOFTMAX, "softmax(x, axis=E)", "a softmax", "1"),
            (("log_softmax(x, axis=A)",), "log_softmax(x, axis=E)", "a log_softmax", "0"),
            (
                ("x / sum(x, axis=A, keepdims=K)",),
                "x / sum(x, axis=E, keepdims=True)",
                "what is divided by its own sum",
                "1",
            ),
        )
    ),
    Remedy(
        _SOFTMAX,
        ZERO,
        ("sigmoid(x)",),
        why="it is the probability of one of two classes; or give the layer two units",
        plain="Give the layer one unit for each class, at least two",
        says="a softmax over an axis of one element is always 1",
        reason="constant",
        when=of_one,
    ),
    Remedy(
        ("log_softmax(x, axis=A)",),
        ZERO,
        ("log_sigmoid(x)",),
        why="it is the logarithm of the probability of one of two classes; or give the layer two units",
        plain="Give the layer one unit for each class, at least two",
        says="a log_softmax over an axis of one element is always 0",
        reason="constant",
        when=of_one,
    ),
    Remedy(
        ("x / sum(x, axis=A, keepdims=K)", "x / mean(x, axis=A, keepdims=K)", f"x / {RX}", f"x / {NX}"),
        ZERO,
        ("sigmoid(x)",),
        why="it lies between 0 and 1 without a second element",
        plain="Normalise along an axis of at least two elements",
        says="what is divided by its own sum, mean or norm over an axis of one element is 1, or its sign",
        reason="constant",
        when=of_one,
    ),
    Remedy(
        ("x - mean(x, axis=A, keepdims=K)",),
        ANY,
        ("x - mean(x, axis=-1, keepdims=True)",),
        why="it takes the mean over the features of each row, as layer normalisation does; or send more than "
        "one row",
        plain="Send more than one element along that axis: of one alone use a mean that is kept from many",
        says="the mean of one element is that element, so that the difference is always 0",
        reason="constant",
        when=of_one,
    ),
    Remedy(
        ("std(x, axis=A, keepdims=K, correction=C)", "var(x, axis=A, keepdims=K, correction=C)"),
        frozenset({"domain", "infinite_derivative", "empty_selection", "stationary"}),
        plain="Give it at least two elements; ddof=0 is defined for one, and is 0",
        says="{node} divides by the number of elements less ddof, which is 0 here",
        when=too_few,
    ),
    Remedy(
        ("std(x, axis=A, keepdims=K)", "var(x, axis=A, keepdims=K)"),
        ZERO,
        plain="Give it at least two elements: send more rows, or take it along another axis",
        says="the deviation of one element is always 0",
        when=of_one,
    ),
    Remedy(
        ("softmax(x, axis=A)", "log_softmax(x, axis=A)"),
        frozenset({"saturated"}),
        plain="Let the mask leave more than one element of a row, if a gradient is wanted",
        says="the mask leaves one element of each row of {x}, whose share is 1 whatever it is",
        when=one_left,
    ),
    # -- always the same
    Remedy(
        ("sum(softmax(x, axis=A), axis=B, keepdims=K)", "mean(softmax(x, axis=A), axis=B, keepdims=K)"),
        CANCELS,
        plain="Nothing can be learned from it: choose the probability of the right class, or compare with "
        "labels, as in categorical_crossentropy(labels, {x}, from_logits=True)",
        says="the outputs of a softmax add up to 1 whatever {x} is",
        when=within,
    ),
    Remedy(
        (
            "sum(x - mean(x, axis=A, keepdims=K), axis=B, keepdims=L)",
            "mean(x - mean(x, axis=A, keepdims=K), axis=B, keepdims=L)",
        ),
        CANCELS,
        ("mean((x - mean(x, axis=A, keepdims=K)) ** 2, axis=B, keepdims=L)",),
        why="deviations are squared before they are added up",
        says="deviations from the mean add up to 0 whatever {x} is",
    ),
    Remedy(
        (
            "sum((x - mean(x, axis=A, keepdims=K)) / y, axis=B, keepdims=L)",
            "mean((x - mean(x, axis=A, keepdims=K)) / y, axis=B, keepdims=L)",
        ),
        CANCELS,
        plain="Add up {x} before it is standardised, standardise along another axis, or multiply by "
        "learned scales before adding up: their sum is fixed, and so is that of their squares",
        says="standardised values add up to 0 whatever {x} is",
    ),
    Remedy(
        (
            f"mean(({_STANDARD}) ** 2, axis=B, keepdims=L)",
            f"sum(({_STANDARD}) ** 2, axis=B, keepdims=L)",
        ),
        CANCELS,
        plain="Take them to another power, or compare them with something else: their mean square is fixed",
        says="the squares of standardised values have the mean 1 whatever {x} is",
    ),
    Remedy(
        (
            f"power_norm(x / {NX}, axis=B, keepdims=L, ord=2)",
            f"power_norm(x / {RX}, axis=B, keepdims=L, ord=2)",
            f"sum((x / {NX}) ** 2, axis=B, keepdims=L)",
            f"sum((x / {RX}) ** 2, axis=B, keepdims=L)",
        ),
        CANCELS,
        plain="Take the norm of {x} itself, or compare the direction with another one",
        says="a vector divided by its norm has the norm 1 whatever {x} is",
    ),
    *(
        Remedy(
            (text,),
            CANCELS,
            plain="Leave {y} out, or add it behind: it has no influence on the target",
            says=f"{{y}} is added to all of {{x}} alike, and {agent} takes it out again",
            when=alike,
        )
        for text, agent in (
            ("softmax(x + y, axis=A)", "softmax"),
            ("softmax(y + x, axis=A)", "softmax"),
            ("log_softmax(x + y, axis=A)", "log_softmax"),
            ("log_softmax(y + x, axis=A)", "log_softmax"),
            ("(x + y) - mean(x + y, axis=A, keepdims=K)", "the mean that is subtracted"),
            ("(y + x) - mean(y + x, axis=A, keepdims=K)", "the mean that is subtracted"),
            ("var(x + y, axis=A, keepdims=K, correction=C)", "the variance"),
            ("std(x + y, axis=A, keepdims=K, correction=C)", "the deviation"),
        )
    ),
    Remedy(
        ("x - x",),
        ZERO,
        plain="Subtract something else: both sides of {node} are the same",
        says="{x} is subtracted from itself",
    ),
    Remedy(
        ("pow(x, y)",),
        ZERO,
        ("x ** E",),
        why="with the exponent 0 it is 1 for any base; 1 // 2 is 0, and 1 / 2 is not",
        says="the exponent is 0, and anything to the power 0 is 1",
        when=no_exponent,
        words=exponent,
    ),
    Remedy(
        ("pow(x, y)",),
        frozenset({"stationary", "zero_operand"}),
        ("(x + 1e-3) ** y",),
        why="0 to any positive power is 0, so that the exponent counts only for another base",
        says="0 to any positive power is 0: the exponent does not count where the base {x} is 0",
        when=no_base,
        position=1,
    ),
    Remedy(
        ("remainder(x, y)", "fmod(x, y)"),
        ZERO,
        plain="The slope by the divisor is -floor({x} / {y}), which is 0 here: nothing, if that is meant; "
        "for a period to be found take a smooth one, such as sin(2 * pi * {x} / {y})",
        says="{node} is {x} itself wherever {x} is less than {y}, so that {y} has no part in it",
        position=1,
    ),
    *KINK_REMEDIES,
)

"""Why there is no gradient: which variable, which node, why, on what evidence, and what to write instead.

In the order in which a diagnosis uses them:

`screening`  whether a gradient looks wrong at all: the one test that a healthy gradient costs
`evidence/`  structure, values, adjoints and influence of the recorded tape
`causes/`    why the gradient is missing, zero, NaN or infinite
`texts/`     the culprit and the message, in the user's own expressions
`remedies/`  what to write instead, tried before it is offered
`entry`      the entry that goes on the wire: here findings, which are data, become prose
`look`       the run of one target, looked at
`verdict`    what is wrong with one gradient, and what to do
`diagnose`   all of it for one target
"""

from engine.diagnosis.causes.dead_ends import dead_ends
from engine.diagnosis.causes.first_nonfinite import Nonfinite, first_nonfinite
from engine.diagnosis.causes.static_warnings import static_warnings
from engine.diagnosis.causes.unread_inputs import unread_inputs
from engine.diagnosis.causes.value_warnings import Watch, value_warnings, value_watches
from engine.diagnosis.causes.warnings import masked_caveat
from engine.diagnosis.causes.zero_derivatives import Zero, why_zero_derivative
from engine.diagnosis.diagnose import Diagnosis
from engine.diagnosis.evidence.structure import Graphing
from engine.diagnosis.look import Inputs, Look
from engine.diagnosis.remedies.complex_targets import real_square
from engine.diagnosis.remedies.integer_targets import soft_target
from engine.diagnosis.screening import Suspicion, first_suspicious, suspicion_of
from engine.diagnosis.texts.origin import source_of
from engine.diagnosis.texts.rendering import render_caveat

__all__ = [
    "Diagnosis",
    "Graphing",
    "Inputs",
    "Look",
    "Nonfinite",
    "Suspicion",
    "Watch",
    "Zero",
    "dead_ends",
    "first_nonfinite",
    "first_suspicious",
    "masked_caveat",
    "real_square",
    "soft_target",
    "render_caveat",
    "source_of",
    "static_warnings",
    "suspicion_of",
    "unread_inputs",
    "value_warnings",
    "value_watches",
    "why_zero_derivative",
]

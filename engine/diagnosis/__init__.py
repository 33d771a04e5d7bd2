"""Why there is no gradient: which variable, which node, why, on what evidence, and what to write instead.

The files in the order in which a diagnosis uses them:

`suspicion`   does a gradient look wrong at all: what a healthy one costs
`structure`   is there a path, and what cuts it: read from the recorded tape alone
`layout`      loops and branches laid out as one run took them: its `course`
`replay`      the tape as recorded, run with every value kept
`nonfinite`   where a value that is not finite was first made
`pullbacks`   each instruction's adjoint by itself, and what every edge passed on
`magnitude`   the same with nothing cancelling: |J| in place of J
`cone`        which elements have a part in what
`zero`        why elements of a gradient are zero
`infinite`    why elements are NaN or infinite
`caveats`     warnings on a gradient that exists
`advice`      the stable form of an expression, in the user's `expressions`
`away`        how to keep away from where an op is undefined or too steep
`cures`       what to write instead
`words`       the sentence for people
`report`      the entry that goes on the wire
`examination` all of it for one target
`first`       the first value that is not finite in a step of a training job
"""

from engine.diagnosis.causes.first_nonfinite import Nonfinite, first_nonfinite
from engine.diagnosis.causes.warnings import masked_caveat
from engine.diagnosis.diagnose import Examination, Inputs, Look
from engine.diagnosis.evidence.structure import Graphing
from engine.diagnosis.screening import Suspicion, first_suspicious, suspicion_of
from engine.diagnosis.texts.origin import source_of

__all__ = [
    "Examination",
    "Graphing",
    "Inputs",
    "Look",
    "Nonfinite",
    "Suspicion",
    "first_nonfinite",
    "first_suspicious",
    "masked_caveat",
    "source_of",
    "suspicion_of",
]

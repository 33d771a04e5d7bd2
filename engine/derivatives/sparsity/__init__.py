"""Sparse derivatives: which elements depend on which, and how few products show them all.

`known_values`  values of the tape that do not depend on a floating input: indices and masks
`pattern`    for each slot the elements that it depends on, by the ops' rules (`engine.ir.dependence_rules`)
`functions`  the same through loops, branches and other functions
`colouring`  columns (or rows) that can share one product because they never meet
`layout`     where each entry lies in the products, and back into coordinates

The pattern of a derivative is a superset of its nonzeros at every point with the same indices: it follows
from the graph alone. Entries of it that happen to be zero stay.
"""

from engine.derivatives.sparsity.colouring import column_colours, star_colours
from engine.derivatives.sparsity.functions import dependence
from engine.derivatives.sparsity.known_values import KnownValues
from engine.derivatives.sparsity.layout import Coordinates, Layout, hessian_layout, jacobian_layout
from engine.derivatives.sparsity.pattern import TooDense

__all__ = [
    "Coordinates",
    "KnownValues",
    "Layout",
    "TooDense",
    "column_colours",
    "dependence",
    "hessian_layout",
    "jacobian_layout",
    "star_colours",
]

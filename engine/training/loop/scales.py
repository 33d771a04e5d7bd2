"""How large the data and the loss of a job are, for what messages advise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.arrays.types import Array
from engine.training.job.spec import TrainingSpec
from engine.training.loop.data_findings import sampled
from engine.training.model.expand import LABELS

LARGE = 100.0  # from which on data are worth scaling
_FEW_ELEMENTS = 32_768  # of data that are looked at to tell their scale
_DEEPEST = 8  # nodes between the target and a sum


def scale_of(spec: TrainingSpec, data: Mapping[str, Array]) -> str:
    """Which features are far larger than 1, for messages; empty if none are."""
    large = []
    for name in spec.objective.columns:
        rows = sampled(np.asarray(data[name][: spec.rows]), _FEW_ELEMENTS)
        if rows.dtype.kind in "iuf" and rows.size and not (name == LABELS and rows.dtype.kind in "iu"):
            with np.errstate(all="ignore"):
                most = float(np.abs(rows.astype(np.float64)).max())
            if np.isfinite(most) and most > LARGE:
                large.append(f"'{name}' reaches {most:,.0f}")
    scale = f" ({', '.join(large)}) to about 1" if large else ""
    return f"{scale}{mean_for_sum(spec)}"


def mean_for_sum(spec: TrainingSpec) -> str:
    """What to do about a loss that adds up the rows of a batch; empty for any other."""
    graph, name = spec.objective.train, spec.objective.target.partition(":")[0]
    for _ in range(_DEEPEST):
        node = graph.names.get(name)
        if node is None:
            return ""
        if node.op.name == "sum" and node.attributes.get("axis") in (None, (), []):
            rows = min(spec.batch_size, spec.rows)
            return f"; or take the mean in place of the sum over {rows} rows, which is as many times larger"
        if node.op.name not in ("multiply", "divide", "negative", "add", "identity"):
            return ""
        behind = [each.partition(":")[0] for each in node.inputs if isinstance(each, str)]
        learned = [each for each in behind if each in spec.objective.depending]
        if len(learned) != 1:
            return ""
        name = learned[0]
    return ""

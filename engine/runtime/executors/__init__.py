"""Executors run plans: `bound` is what they share, `numpy` and `cupy` say where, `resident` stays there."""

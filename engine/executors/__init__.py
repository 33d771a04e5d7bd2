"""Executors run plans: `numpy` today; compiled CPU code and CuPy take the same plans."""

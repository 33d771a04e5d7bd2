"""Benchmarks: every module here has `main(*, small: bool) -> None`, which prints its figures.

`small` takes seconds and runs with `make check`, so that no benchmark rots; the full size is what figures are
quoted from. Compare ratios taken in one run, not absolutes from different machines.
"""

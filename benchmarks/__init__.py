"""Benchmarks: every module here has `main(report, *, small)`, which prints its figures as tables.

`small` takes seconds and runs with `make check`, so that no benchmark rots; the full size is what figures are
quoted from. Compare ratios taken in one run, not absolutes from different machines.

`_pinned`            one core and one thread for what is measured, another core for its clients
`_contest`           contestants timed in turns, wall clock and processor time
`_report`            the tables, the machine, and README.md
`_memory`            bytes that a call takes
`_server`            a server process, and a plain route beside it
`_plain_route`       what the server's framework costs alone
`_load`              keep-alive clients that keep a server busy
`_mlp_by_hand`       a training step as NumPy can do it at best
`_derivative_peers`  the questions of `derivatives` put to PyTorch and JAX
"""

"""Ops that reduce axes: `axis` (all of them when absent) and `keepdims`, as in NumPy.

totals → products (and running sums and products) → scaling → moments → norms → extrema → quantiles → logic
→ running (extrema) → differences (and integrals) → without_nan → statistics
"""

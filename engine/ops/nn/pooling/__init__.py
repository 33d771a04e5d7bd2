"""Pools: the largest element, the mean or a norm of windows, of parts of an axis, or of whole axes."""

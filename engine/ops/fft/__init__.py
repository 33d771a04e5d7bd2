"""Fourier transforms and what is computed by them.

lines (transforms along axes, as kernels) → transforms (NumPy's names) → frequencies → cosines (and sines) →
convolution
"""

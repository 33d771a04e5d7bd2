"""Products of vectors, matrices and tensors, and what is on a matrix's diagonals.

matmul → contraction (tensordot, and what everything else lowers to) → einsum → products → diagonals
solving → determinants → eigen (singular values too) → factors → functions
"""

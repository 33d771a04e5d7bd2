"""Ops that move elements without changing them, in the order of how much they move.

sizes (reshape, broadcast_to) → axes → splitting, joining → order (flip, roll) → tiling → padding → meshes
"""

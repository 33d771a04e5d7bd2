"""Convolutions and transposed convolutions in one, two and three dimensions."""

"""Autodiff on a tape: graphs in, plans, values and gradients out."""

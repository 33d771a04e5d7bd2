"""Ops of neural networks: activations, the softmax family, losses."""

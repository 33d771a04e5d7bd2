"""Recurrent networks: one step of a cell, and cells over sequences."""

"""Ops on each element under broadcasting."""

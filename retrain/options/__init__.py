"""Defines the options of a run: the flags of `python -m retrain`, with their defaults, bounds and checks."""

"""Baselines for our figures: the original's way, a plain Keras pipeline, and the limit of the machine."""

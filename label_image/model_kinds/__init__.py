"""Defines the kinds of model files that label_image reads: each has a row in `table` and a module."""

"""Reads a folder of photos and splits it into a training, a validation and a test set."""

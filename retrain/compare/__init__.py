"""Runs in, what sets them apart out: `python -m retrain.compare`."""

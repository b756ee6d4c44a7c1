"""Compares runs: `python -m retrain.compare`."""

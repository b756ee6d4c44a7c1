"""What a run is asked for: the flags of `python -m retrain`, with their defaults, bounds and checks."""

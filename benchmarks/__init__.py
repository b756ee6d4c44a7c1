"""Measures speed and accuracy of the project: `python -m benchmarks` measures speed, and separate programs measure accuracy."""

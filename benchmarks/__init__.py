"""How fast and how right the project is, measured: `python -m benchmarks` for speed, single programs for accuracy."""

"""Contains the stages of a run: `run` is the whole run, `modes` defines the three ways to train."""

"""The stages of a run, in words: `run` is the whole run, `modes` the three ways to train."""

"""Training end to end: `--train last:N` and `--train all`, from the trained head on or, with `--weights none`, from nothing.

`stage` is the way in: photos, a backbone and its head in; another backbone and another head out, of the same kinds, so that
tests, exports, proofs and the report do not know that there was such a stage. Needs TensorFlow, and nothing else here does.
"""

"""Training of the network itself: `--train last:N` and `--train all`, from the trained layer on or, with `--weights none`, from random weights.

`train_network` is the way in. What comes back is a backbone and a head of the same kinds as elsewhere, so that tests, exports and the
report need no special case. Needs TensorFlow, which nothing else does that trains.
"""

"""Trains the network itself: `--train last:N` and `--train all`, starting from the trained layer or, with `--weights none`, from
random weights.

Call `train_network`. It returns a backbone and a head of the same types as in the other modes, so that tests, exports and the
report need no special case. This is the only training that needs TensorFlow.
"""

"""Trains the network itself (`--train last:N`, `--train all`), starting from a trained layer or with random weights.

Call `train_network`. It returns a backbone and a head of the same types as in the other modes, so that tests, exports and the
report need no special case. This is the only training that needs TensorFlow.
"""

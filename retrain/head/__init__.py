"""The layer on the features: how it is trained, with what, and what a plan may say of it. Begin with `train.py`."""

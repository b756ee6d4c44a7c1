"""The layer on the features: how it is trained, and by what. Begin with `train.py`."""

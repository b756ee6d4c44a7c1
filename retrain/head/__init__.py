"""Trains the head, the layer on the features. Start reading at `train.py`."""

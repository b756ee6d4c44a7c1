"""From a folder of photos to training, validation and test sets."""

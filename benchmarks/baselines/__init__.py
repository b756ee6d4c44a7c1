"""What our figures are held against: the original's way, a plain Keras pipeline, and the limit of this machine."""

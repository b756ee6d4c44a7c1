"""Computes the features of photos: the runtimes that run a backbone, and the extraction itself."""

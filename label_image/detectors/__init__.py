"""One file a format: a classifier's file in, Evidence out; `ranges` and `makers` tell what follows from it."""

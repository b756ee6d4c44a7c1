"""The stages of a run, in words."""

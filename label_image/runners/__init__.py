"""Runs networks: one file for each runtime, with one class whose method `scores` runs a batch."""

"""Defines the small networks of the tutorials for --weights none, one per file; each file names its paper or its tutorial."""

"""Provides pretrained networks without their heads: a table of families, and one file for each family."""

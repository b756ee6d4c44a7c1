"""A trained head on its backbone in, a file out: one table of rows, one file a format."""

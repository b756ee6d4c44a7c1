"""The formats in which a trained classifier is exported: a table of rows, and one file for each format."""

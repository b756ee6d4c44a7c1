"""Measures the rows of the table of `python -m benchmarks`: one file for each group of rows, with a function `rows(bench)`."""

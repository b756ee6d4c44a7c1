"""A file for each group of rows in the table of `python -m benchmarks`; each has `rows(bench)`."""

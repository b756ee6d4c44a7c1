"""The kinds of model files that label_image reads: one row of `table` and one file for each."""

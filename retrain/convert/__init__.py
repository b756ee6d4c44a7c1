"""Converts data sets in other formats, without loss, to an image folder for `python -m retrain`; one file for each format."""

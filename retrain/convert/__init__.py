"""Other people's files in, an image folder for `python -m retrain` out, lossless: a file a format, each read as it is."""

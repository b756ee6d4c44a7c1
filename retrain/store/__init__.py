"""Stores results between runs in one SQLite file: the features of photos and the digests of files."""

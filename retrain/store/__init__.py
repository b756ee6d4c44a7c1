"""What is kept between runs: the features of photos, and the digests of files, in one SQLite file."""

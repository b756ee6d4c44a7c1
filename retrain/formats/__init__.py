"""File formats of others, read and written without the library that they come from."""

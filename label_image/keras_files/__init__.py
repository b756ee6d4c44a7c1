"""Reads Keras files (.keras, .h5) without Keras: the names in a file are looked up in our own tables and never imported."""

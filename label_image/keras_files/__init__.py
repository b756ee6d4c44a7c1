"""Keras files (.keras, .h5) read as structure and arrays: what they name is looked up in our own table, never imported."""

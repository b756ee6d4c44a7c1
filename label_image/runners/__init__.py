"""One file a runtime; each has one class with one method, `scores`."""

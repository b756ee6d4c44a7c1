"""Features, labels and lists in; out, which photos to look at, and whether more of them would help."""

"""A page in the browser of this machine: photos dropped on it are labelled, and it shows what spoke for the label."""

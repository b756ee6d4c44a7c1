"""One file a family of pretrained networks."""

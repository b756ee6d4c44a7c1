"""From photos to features: the runtimes that run a backbone, and the extraction itself."""

"""Robustness tests: kills, damaged files, full disks, concurrent runs and unusual streams; `make torture` tabulates them."""

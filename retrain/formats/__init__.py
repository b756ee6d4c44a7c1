"""Reads and writes file formats of other programs without their libraries."""

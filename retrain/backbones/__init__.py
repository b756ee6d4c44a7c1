"""Pretrained networks without their heads: one table of rows, one file a source."""

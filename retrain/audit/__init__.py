"""Audits a data set: finds labels that are likely wrong, near-duplicates, and classes that more photos would help."""

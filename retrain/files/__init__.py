"""Writes files completely or not at all; also temporary names, digests, downloads and archives."""

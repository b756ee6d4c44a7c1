"""Files that are written whole or not at all: temporary names, digests, downloads and archives."""

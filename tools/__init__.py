"""Programs that make the documents and their pictures."""

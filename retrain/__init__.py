"""Photos in; a proven classifier and a record of how it was made out."""

"""The database's history. A released script is never edited: the next change is the next script."""

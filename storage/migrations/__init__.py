"""Alembic's scripts; `storage.database.migrate` runs them."""

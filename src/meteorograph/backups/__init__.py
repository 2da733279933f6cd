"""Backups of a SQLite database with its journal and fallback database: made, verified, rotated, restored."""

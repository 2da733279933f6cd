"""Locations: checked, stored, read from files and written to files."""

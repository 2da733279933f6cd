"""Rows, aggregates and the overview read back."""

"""Reads weather rows, aggregates and the overview from the database."""

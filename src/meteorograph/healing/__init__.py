"""Missed slots filled from the histories of providers."""

"""Fills missed slots from the histories of providers."""

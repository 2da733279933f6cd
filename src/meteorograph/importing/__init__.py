"""Imports history from files and from databases of other programs."""

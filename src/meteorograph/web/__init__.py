"""The web: rows to answers, and the one route that collects."""

"""Collecting: one run, its workers, one request with retries, and collection on demand."""

"""The service in one process, and the demonstration."""

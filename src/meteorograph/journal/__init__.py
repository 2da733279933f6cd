"""The payload journal: every answer of a provider, written before it is parsed."""

"""The payload journal: every provider answer, appended before it is parsed."""

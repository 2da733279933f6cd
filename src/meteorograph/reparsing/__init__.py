"""Journalled payloads through the parsers again."""

"""Parses journalled payloads again, and compares or repairs the stored rows."""

"""Options of ``DATABASE_URL`` that are ours and not the server's. Pure."""

from __future__ import annotations

from typing import Final

#: Parameter of the URL: after how many executions the driver prepares a statement.
PREPARE_PARAMETER: Final = "prepare_threshold"

PREPARE_ALLOWED: Final = (
    f"a URL in which {PREPARE_PARAMETER} is none (no prepared statements) or a whole number from 0 to 1000000"
)


def parse_prepare_threshold(text: str) -> int | None:
    """The number of executions after which the driver prepares a statement; None for never.

    Raises:
        ValueError: The text is neither; the message says what is allowed.
    """
    if text.strip().lower() in ("none", "null", "off"):
        return None
    if text.isascii() and text.isdigit() and int(text) <= 1_000_000:
        return int(text)
    raise ValueError(PREPARE_ALLOWED)

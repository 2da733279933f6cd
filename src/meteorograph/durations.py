"""Durations in words, as settings, schedules, buckets and periods take them. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

ALLOWED: Final = "a whole number and a unit, such as 30s, 10m, 1h or 1d"

_DURATION: Final = re.compile(r"([0-9]{1,9})\s*(s|m|min|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> timedelta:
    """A duration from words such as ``10s``, ``15m``, ``1h`` or ``1d``.

    Raises:
        ValueError: It is none; the text says what is.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if not match:
        raise ValueError(ALLOWED)
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])

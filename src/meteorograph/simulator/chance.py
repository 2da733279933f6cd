"""Repeatable chance: the same parts always give the same number, on every machine."""

from __future__ import annotations

from hashlib import blake2b


def unit(*parts: int | str) -> float:
    """A number in [0, 1) that depends on nothing but ``parts``."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(blake2b(text.encode(), digest_size=7).digest()) / 2**56

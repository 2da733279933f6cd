"""Imported before the other modules of the suite: under pytest, their failed assertions tell their values."""

from __future__ import annotations

import sys

_PARTS = ("sound", "reading", "metadata", "current", "lookups", "past", "fuzz")

if "pytest" in sys.modules:
    sys.modules["pytest"].register_assert_rewrite(*(f"{__package__}.{part}" for part in _PARTS))

"""Let Python look for circular garbage less often while many locations are collected."""

from __future__ import annotations

import gc
from typing import Final

#: New objects, and collections of the younger generation, between two collections of a generation. A run keeps some hundred
#: thousand objects alive until they are stored, and makes hardly any circles: with Python's own 700, 10, 10 the collector took a
#: sixth of the CPU time of a run.
THRESHOLDS: Final = (100_000, 50, 100)


def collect_garbage_seldom() -> None:
    """Raise the thresholds of this process to ``THRESHOLDS``; a process that collects as seldom, or never, keeps its own."""
    if 0 < gc.get_threshold()[0] < THRESHOLDS[0]:
        gc.set_threshold(*THRESHOLDS)

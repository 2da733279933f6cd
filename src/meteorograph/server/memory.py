"""Keep the memory of a process with many threads together."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from typing import Final

#: ``M_ARENA_MAX`` of glibc's ``mallopt(3)``.
_ARENA_MAX: Final = -8

#: Areas from which glibc gives memory to threads; it would make eight for each core, each of which keeps what it has once needed.
_ARENAS: Final = 2


def bound_arenas() -> None:
    """Let all threads share two areas of memory, unless ``MALLOC_ARENA_MAX`` says otherwise. Call it before threads start.

    Without glibc nothing is done.
    """
    if "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(OSError, AttributeError, TypeError):
            ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)

"""Log lines about many places: one for each kind and minute, with a count, instead of one for each place."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

#: How long further lines of a kind are counted before the next one is written [s].
REPEAT_SECONDS: Final = 60.0

#: What tells one kind of line from another, besides its words: a provider, a class of errors, but no place.
Kind = tuple[object, ...]


@dataclass(slots=True)
class _Repeats:
    """The lines of one kind since the last one that was written."""

    logger: structlog.stdlib.BoundLogger
    level: int
    written_at: float
    count: int = 0
    #: Fields of the newest line.
    fields: dict[str, Any] = field(default_factory=dict)


class RepeatLog:
    """Writes the first line of a kind at once, and counts the further ones for a minute. Thread-safe."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was counted; also for a child after a fork, since another thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, Kind], _Repeats] = {}

    def write(self, logger: structlog.stdlib.BoundLogger, level: int, event: str, kind: Kind, **fields: Any) -> None:
        """Write a line, or count it if one of its kind was written within the last minute.

        Args:
            logger: Logger of the module.
            level: A level of ``logging``.
            event: The words of the line.
            kind: What tells this kind of line from others with the same words.
            fields: Fields of the line, such as one place as an example, and ``exc_info``.
        """
        now = time.monotonic()
        with self._lock:
            known = self._kinds.get((event, kind))
            if known is not None and now - known.written_at < REPEAT_SECONDS:
                known.count, known.fields = known.count + 1, fields
                return
            count = known.count if known is not None else 0
            self._kinds[event, kind] = _Repeats(logger, level, now)
        logger.log(level, event, **fields, **({"repeated": count} if count else {}))

    def flush(self, *, everything: bool = False) -> None:
        """Write what was counted for longer than a minute, or ``everything``: one line for each kind."""
        now = time.monotonic()
        with self._lock:
            ended = [key for key, one in self._kinds.items() if everything or now - one.written_at >= REPEAT_SECONDS]
            repeats = [(key[0], self._kinds.pop(key)) for key in ended]
        for event, one in repeats:
            if one.count:
                fields = {name: value for name, value in one.fields.items() if name != "exc_info"}
                one.logger.log(one.level, event, **fields, repeated=one.count)


#: The lines of this process.
REPEATS: Final = RepeatLog()


def warn_once(logger: structlog.stdlib.BoundLogger, event: str, kind: Kind, **fields: Any) -> None:
    """A warning about one of many places, once for each kind and minute."""
    REPEATS.write(logger, logging.WARNING, event, kind, **fields)


def error_once(logger: structlog.stdlib.BoundLogger, event: str, kind: Kind, **fields: Any) -> None:
    """An error of one of many places, once for each kind and minute."""
    REPEATS.write(logger, logging.ERROR, event, kind, **fields)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=REPEATS.reset)

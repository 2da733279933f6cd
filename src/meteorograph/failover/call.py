"""The way to the database, or to what stands in for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from ..config.loading import get_settings
from ..errors import StoreError
from ..log_output import get_logger
from ..storage import engine
from .database_file import has_fallback, use_fallback

log = get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: After a failure the database is left alone for so long [s].
AWAY_SECONDS: Final = 5.0

_away_until = float("-inf")


def call_with_fallback(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do a piece of work with the database; with its stand-in if it is away.

    Raises:
        StoreError: Both are.
    """
    global _away_until
    if engine.uses_other_database():
        return work(*args, **kwargs)
    if time.monotonic() >= _away_until:
        try:
            return work(*args, **kwargs)
        except StoreError as error:
            if not has_fallback(get_settings()):
                raise
            _away_until = time.monotonic() + AWAY_SECONDS
            log.warning("the database is away, going on without it", reason=str(error))
    with use_fallback(get_settings()):
        return work(*args, **kwargs)

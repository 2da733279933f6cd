"""Calls a function with the database, or with the fallback database while the database is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from ..config.loading import get_settings
from ..errors import StoreError
from ..log_output import get_logger
from ..storage import engine
from .database_file import has_fallback, use_fallback
from .state import get_state

log = get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: Time after a failure before the database is tried again [s].
AWAY_SECONDS: Final = 5.0


def call_with_fallback(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function whose sessions are of the database, or of the fallback database if the database is away.

    Raises:
        StoreError: Both are away.
    """
    if engine.uses_other_database():
        return function(*args, **kwargs)
    state = get_state()
    if time.monotonic() >= state.away_until:
        try:
            result = function(*args, **kwargs)
        except StoreError as error:
            if not has_fallback(get_settings()):
                raise
            state.away_until = time.monotonic() + AWAY_SECONDS
            state.away_reason = str(error)
            log.warning("the database is away, using the fallback database", reason=str(error))
        else:
            return result
    with use_fallback(get_settings()):
        state.uses_fallback = True
        return function(*args, **kwargs)

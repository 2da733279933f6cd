"""Database sessions for commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@contextmanager
def open_session(*, read_only: bool = False) -> Iterator[Session]:
    """Open a session on a database with the newest schema."""
    from ..storage.engine import get_db_session, init_db

    init_db()
    with get_db_session(read_only=read_only) as session:
        yield session


def not_found_text(name: str) -> str:
    """That no location has a name, and which names are similar."""
    from difflib import get_close_matches

    from ..errors import LocationNotFoundError
    from ..locations.repository import list_names

    with open_session(read_only=True) as session:
        by_key = {known.casefold(): known for known in list_names(session)}
    similar = [repr(by_key[key]) for key in get_close_matches(name.casefold(), by_key, n=3)]
    return str(LocationNotFoundError(name)) + (f"; did you mean {' or '.join(similar)}?" if similar else "")

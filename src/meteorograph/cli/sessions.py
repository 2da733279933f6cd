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

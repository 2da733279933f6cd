"""Tokens of callers of the HTTP interface."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class Token(Base):
    """A named token. The database has only its digest, so a copy of the database opens nothing."""

    __tablename__ = "tokens"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    #: SHA-256 of the token, which is random and long enough not to be guessed.
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    #: What it allows: words of ``TokenScope``, separated by spaces.
    scopes: Mapped[str] = mapped_column(String(50))
    created_at: Mapped[datetime]
    #: When it stops to work; None for never.
    expires_at: Mapped[datetime | None]

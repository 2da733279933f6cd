"""Integrations, and which rows they still have to get."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class Integration(Base):
    """An integration that a process is set up with, and how its sending goes."""

    __tablename__ = "integrations"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    #: When a process last worked for it.
    seen_at: Mapped[datetime]
    #: Rows that its receiver has taken, rows that it refused, and attempts that failed.
    sent: Mapped[int] = mapped_column(BigInteger, server_default="0")
    refused: Mapped[int] = mapped_column(BigInteger, server_default="0")
    failures: Mapped[int] = mapped_column(BigInteger, server_default="0")
    #: Since when attempts fail, and why the last one did; None while they succeed.
    failing_since: Mapped[datetime | None]
    failure: Mapped[str | None] = mapped_column(String(300))
    #: When the receiver last refused a row, and why.
    refused_at: Mapped[datetime | None]
    refusal: Mapped[str | None] = mapped_column(String(300))


class OutboxEntry(Base):
    """A row of ``weather_data`` that was stored or changed, and that an integration has not got since (``storage/outbox.py``)."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_integration", "integration", "id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    integration: Mapped[str] = mapped_column(String(32))
    location_id: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[datetime]

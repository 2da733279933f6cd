"""Accounts with providers, and the use of their quotas."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    Integer,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from ...model.states import KeyState
from .base import Base, is_one_of


class Quota(Base):
    """The calls of an account in the current period of one of its quota windows."""

    __tablename__ = "quota"
    __table_args__ = (CheckConstraint("used >= 0", "used"),)

    provider: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: ``minute``, ``hour``, ``day`` or ``month``.
    window: Mapped[str] = mapped_column(String(16), primary_key=True)
    period_start: Mapped[datetime]
    used: Mapped[int] = mapped_column(Integer)


class AccountState(Base):
    """The state of the account with a provider: the state of its key, and whether the provider may be called."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint(is_one_of("key_state", [state for state in KeyState if state != KeyState.MISSING]), "key_state"),
    )

    provider: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: Identifies the key without revealing it; a new key resets the row.
    key_fingerprint: Mapped[str | None] = mapped_column(String(64))
    key_state: Mapped[str] = mapped_column(String(16))
    #: When this key was first used.
    key_since: Mapped[datetime]
    #: Number of consecutive failures.
    failures: Mapped[int] = mapped_column(Integer, default=0)
    #: No call before this instant.
    closed_until: Mapped[datetime | None]
    #: Why the account is closed, in the provider's words.
    reason: Mapped[str | None] = mapped_column(String(500))
    #: The process that makes the one test call after an outage, and until when the other processes wait for it.
    probe_holder: Mapped[str | None] = mapped_column(String(200))
    probe_until: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]

"""Accounts with providers, and what is spent of their quotas."""

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
    """What an account has spent of one of its windows in the current period."""

    __tablename__ = "quota"
    __table_args__ = (CheckConstraint("used >= 0", "used"),)

    provider: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: ``minute``, ``hour``, ``day`` or ``month``.
    window: Mapped[str] = mapped_column(String(16), primary_key=True)
    period_start: Mapped[datetime]
    used: Mapped[int] = mapped_column(Integer)


class AccountState(Base):
    """What is known of the account with a provider: its key's state, and whether it may be called."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint(is_one_of("key_state", [state for state in KeyState if state != KeyState.MISSING]), "key_state"),
    )

    provider: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: Tells one key from another without telling the key; a new key begins anew.
    key_fingerprint: Mapped[str | None] = mapped_column(String(64))
    key_state: Mapped[str] = mapped_column(String(16))
    #: When this key was first used.
    key_since: Mapped[datetime]
    #: Failures in a row.
    failures: Mapped[int] = mapped_column(Integer, default=0)
    #: No call before this instant.
    closed_until: Mapped[datetime | None]
    #: Why it is closed, in the provider's words.
    reason: Mapped[str | None] = mapped_column(String(500))
    #: Who makes the one call that tells whether it is well again, and until when the others wait for it.
    probe_holder: Mapped[str | None] = mapped_column(String(200))
    probe_until: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]

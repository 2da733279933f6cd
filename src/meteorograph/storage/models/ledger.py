"""The ledger: runs, missed slots, leases and heartbeats."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column

from ...model.states import MissedReason, RunState, ShardState
from .base import Base, is_one_of, partial_index


class Run(Base):
    """The run of one slot: which process holds it until when, and how it ended. The UNIQUE constraint elects the process."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("schedule", "due_at", "shard"),
        CheckConstraint(is_one_of("state", RunState), "state"),
        Index("ix_runs_state", "state", "schedule", "due_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    schedule: Mapped[str] = mapped_column(String(100))
    due_at: Mapped[datetime]
    shard: Mapped[int] = mapped_column(Integer, default=0)
    state: Mapped[str] = mapped_column(String(16))
    #: The process that holds the run, and when its lease expires unless renewed.
    holder: Mapped[str | None] = mapped_column(String(200))
    lease_expires_at: Mapped[datetime | None]
    due: Mapped[int] = mapped_column(Integer, default=0)
    stored: Mapped[int] = mapped_column(Integer, default=0)
    failed: Mapped[int] = mapped_column(Integer, default=0)
    #: HTTP attempts of this run, of all processes that held it.
    calls: Mapped[int] = mapped_column(Integer, default=0)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    #: Fencing token: raised whenever a process claims or closes the run. An older token writes nothing any more.
    token: Mapped[int] = mapped_column(Integer, server_default="0")
    #: Of a missed run, why: ``down`` or ``late``. Of a released run, what it waits for: ``quota`` or ``provider_error``.
    reason: Mapped[str | None] = mapped_column(String(32))


class Shard(Base):
    """A range of locations of a large open run: which process holds it until when. The run ends when all its shards are done."""

    __tablename__ = "shards"
    __table_args__ = (CheckConstraint(is_one_of("state", ShardState), "state"), {"sqlite_with_rowid": False})

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    #: Ids of its first and of its last location.
    first_id: Mapped[int] = mapped_column(Integer)
    last_id: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    holder: Mapped[str | None] = mapped_column(String(200))
    #: When the lease of its holder expires unless renewed; of a shard that waits, until when.
    lease_expires_at: Mapped[datetime | None]
    #: Fencing token: how often a process has taken the shard.
    token: Mapped[int] = mapped_column(Integer, server_default="0")
    #: Of its locations, how many were stored and how many failed, when it was done.
    stored: Mapped[int] = mapped_column(Integer, server_default="0")
    failed: Mapped[int] = mapped_column(Integer, server_default="0")
    #: What a shard that was given back waits for.
    reason: Mapped[str | None] = mapped_column(String(32))


class Missed(Base):
    """A due slot of one location without a row: the reason, and the attempts to heal it."""

    __tablename__ = "missed"
    __table_args__ = (
        CheckConstraint(is_one_of("reason", MissedReason), "reason"),
        Index("ix_missed_open", "due_at", **partial_index("closed_at IS NULL")),
        {"sqlite_with_rowid": False},
    )

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str | None] = mapped_column(String(500))
    #: How often histories answered without data for the slot, and when a history was last called for it.
    tries: Mapped[int] = mapped_column(Integer, server_default="0")
    tried_at: Mapped[datetime | None]
    #: No history is called before this instant.
    next_try_at: Mapped[datetime | None]
    #: When the slot became unrecoverable; None while it may still be healed.
    closed_at: Mapped[datetime | None]


class Lease(Base):
    """The right of one process at a time to do a job: the process, and when its lease expires unless renewed."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    holder: Mapped[str | None] = mapped_column(String(200))
    expires_at: Mapped[datetime | None]


class Heartbeat(Base):
    """The last heartbeat of each process's scheduler."""

    __tablename__ = "heartbeats"

    holder: Mapped[str] = mapped_column(String(200), primary_key=True)
    beat_at: Mapped[datetime]
    #: The folder with its fallback database: processes of one site share their charges while the database is away.
    site: Mapped[str | None] = mapped_column(String(200))
    #: Whether the process was stopped in order since.
    is_stopped: Mapped[bool] = mapped_column(server_default=false())


class AccountedUntil(Base):
    """Until when each slot of a schedule has a run, and each due location a row or a reason."""

    __tablename__ = "accounted"

    schedule: Mapped[str] = mapped_column(String(100), primary_key=True)
    until_at: Mapped[datetime]

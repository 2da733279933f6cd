"""Jobs of the user's own: what is registered, and the run of each slot."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ...model.states import JobState
from .base import Base, is_one_of, partial_index


class RegisteredJob(Base):
    """A job as a process has registered it, and how many of its slots ended in which way."""

    __tablename__ = "jobs"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    schedule: Mapped[str] = mapped_column(String(100))
    #: When a process with this job last looked at what is due.
    seen_at: Mapped[datetime]
    #: Slots that ended in this way, also those whose runs were deleted since.
    succeeded: Mapped[int] = mapped_column(Integer, server_default="0")
    failed: Mapped[int] = mapped_column(Integer, server_default="0")
    skipped: Mapped[int] = mapped_column(Integer, server_default="0")
    last_success_at: Mapped[datetime | None]


class JobRun(Base):
    """The run of one slot of a job. UNIQUE elects its process, and the partial index allows one run of a job at a time."""

    __tablename__ = "job_runs"
    __table_args__ = (
        UniqueConstraint("job", "due_at"),
        CheckConstraint(is_one_of("state", JobState), "state"),
        Index("ix_job_runs_running", "job", unique=True, **partial_index("state = 'running'")),
        Index("ix_job_runs_due_at", "due_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    job: Mapped[str] = mapped_column(String(64))
    due_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16))
    #: The process that works on it, and when its lease expires unless renewed. After a timeout too, until its thread ends.
    holder: Mapped[str | None] = mapped_column(String(200))
    lease_expires_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    #: When the next attempt may start; None for at once.
    retry_at: Mapped[datetime | None]
    #: Of a skipped one: how many slots in a row were skipped, of which this is the last.
    slots: Mapped[int] = mapped_column(Integer, server_default="1")
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    #: Why the last attempt failed, or why slots were skipped.
    error: Mapped[str | None] = mapped_column(String(500))

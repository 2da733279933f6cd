"""Background tasks: long work that any process of the service does."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ...model.states import TaskState
from .base import Base, is_one_of, partial_index


class BackgroundTask(Base):
    """Long work, who does it, and how far it is. ``attempts`` is the fencing token of its holder."""

    __tablename__ = "background_tasks"
    __table_args__ = (
        CheckConstraint(is_one_of("state", TaskState), "state"),
        Index("ix_background_tasks_open", "id", **partial_index("state IN ('pending', 'running')")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    #: Key of ``background.kinds.KINDS``.
    kind: Mapped[str] = mapped_column(String(32))
    #: What is to be done: a JSON object.
    arguments: Mapped[str] = mapped_column(Text())
    #: The only host that can do it, because its files are there; None for any.
    host: Mapped[str | None] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(16))
    #: The process that works on it, and when its lease expires unless renewed, by the clock of the database.
    holder: Mapped[str | None] = mapped_column(String(200))
    lease_expires_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    #: Attempts since the last progress that ended with the loss of their process or its database.
    deaths: Mapped[int] = mapped_column(Integer, server_default="0")
    #: When the next attempt may start; None for at once.
    retry_at: Mapped[datetime | None]
    #: Up to where it is done, in a form of its kind.
    position: Mapped[str | None] = mapped_column(String(200))
    #: How much is done, of how much.
    done: Mapped[int] = mapped_column(Integer, server_default="0")
    total: Mapped[int | None]
    #: What came of it so far: a JSON object of numbers.
    counts: Mapped[str] = mapped_column(Text(), server_default="{}")
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    #: Why it failed or waits.
    message: Mapped[str | None] = mapped_column(String(500))

"""Alerts: rules, what fulfils them, incidents, and messages to deliver."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ...model.states import AlertKind, DeliveryState, IncidentState
from .base import Base, is_one_of, partial_index


class AlertRule(Base):
    """A condition of which the user wants to be notified, and how."""

    __tablename__ = "alert_rules"
    __table_args__ = (CheckConstraint(is_one_of("kind", AlertKind), "kind"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    #: ``RuleOptions`` as JSON.
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    #: No message before this instant.
    silenced_until: Mapped[datetime | None]
    #: When it was last evaluated, and why this failed; None if it did not.
    evaluated_at: Mapped[datetime | None]
    failure: Mapped[str | None] = mapped_column(String(500))
    #: Raised with each change of its subjects and incidents: an evaluation of an older version changes nothing.
    version: Mapped[int] = mapped_column(Integer, server_default="0")


class AlertSubject(Base):
    """A place, provider or host that fulfils the condition of a rule, or did a moment ago."""

    __tablename__ = "alert_subjects"
    __table_args__ = (Index("ix_alert_subjects_incident_id", "incident_id"), {"sqlite_with_rowid": False})

    rule_id: Mapped[int] = mapped_column(ForeignKey("alert_rules.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    #: Since when it is observed without a break, and since when the condition holds according to the data.
    seen_since: Mapped[datetime]
    true_since: Mapped[datetime]
    #: Since when the condition holds no longer; None while it holds.
    clear_since: Mapped[datetime | None]
    cause: Mapped[str] = mapped_column(String(300))
    detail: Mapped[str] = mapped_column(String(300))
    #: None until the condition has held for long enough.
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))


class Incident(Base):
    """A time in which the condition of a rule was fulfilled by one subject or more, with one cause."""

    __tablename__ = "incidents"
    __table_args__ = (
        CheckConstraint(is_one_of("state", IncidentState), "state"),
        Index("ix_incidents_opened_at", "opened_at"),
        Index("ix_incidents_open", "rule_id", **partial_index("state = 'open'")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    #: None once the rule was removed; its name and kind stay.
    rule_id: Mapped[int | None] = mapped_column(ForeignKey("alert_rules.id", ondelete="SET NULL"))
    rule: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    #: When the condition began according to the data, when the incident was opened, and when it was over.
    began_at: Mapped[datetime]
    opened_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    cause: Mapped[str] = mapped_column(String(300))
    detail: Mapped[str] = mapped_column(String(300))
    #: Names of the first of its subjects, and the number of all that ever belonged to it.
    subjects: Mapped[list[str]] = mapped_column(JSON)
    subject_count: Mapped[int] = mapped_column(Integer)
    #: Messages that it has caused while it was open; 0 if it was silent.
    messages: Mapped[int] = mapped_column(Integer, server_default="0")
    last_message_at: Mapped[datetime | None]


class Delivery(Base):
    """A message for one channel: stored with the change that it tells of, sent afterwards. ``key`` makes it unique."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("key"),
        CheckConstraint(is_one_of("state", DeliveryState), "state"),
        Index("ix_deliveries_waiting", "channel", "id", **partial_index("state = 'waiting'")),
        Index("ix_deliveries_incident_id", "incident_id"),
        Index("ix_deliveries_created_at", "created_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    #: What it tells of and the channel, such as ``incident-17-opened/phone``.
    key: Mapped[str] = mapped_column(String(200))
    channel: Mapped[str] = mapped_column(String(64))
    rule_id: Mapped[int | None] = mapped_column(Integer)
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(250))
    #: The text, or the JSON of a webhook exactly as it is sent at each attempt.
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    #: No attempt before this instant.
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    #: The process that sends it, and when its lease expires.
    holder: Mapped[str | None] = mapped_column(String(200))
    lease_expires_at: Mapped[datetime | None]
    #: Fencing token: how often a process has taken it. The result of an earlier take is not recorded.
    token: Mapped[int] = mapped_column(Integer, server_default="0")
    #: When the receiver accepted it, or it was given up.
    ended_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(String(500))


class AlertSignal(Base):
    """What one process knows of its host and of its own work, for rules that any process evaluates."""

    __tablename__ = "alert_signals"
    __table_args__ = ({"sqlite_with_rowid": False},)

    holder: Mapped[str] = mapped_column(String(200), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    #: What it is about, such as a host or a path.
    subject: Mapped[str] = mapped_column(String(200), primary_key=True)
    noted_at: Mapped[datetime]
    value: Mapped[float] = mapped_column(Float(53))


class WebhookCursor(Base):
    """Up to which run the ended runs were added to the deliveries of a webhook."""

    __tablename__ = "webhook_cursors"

    channel: Mapped[str] = mapped_column(String(64), primary_key=True)
    until_id: Mapped[int] = mapped_column(Integer)

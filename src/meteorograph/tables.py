"""The tables. The migrations make them; the CHECK constraints follow the possible ranges of ``quantities.py``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    event,
    inspect,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from .model import clock
from .model.quantities import QUANTITIES, Quantity
from .model.statistics import PARTS


class UTCDateTime(TypeDecorator[datetime]):
    """An instant. ``timestamptz`` on PostgreSQL, Unix seconds on SQLite: a third of the bytes of a text."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column type of a dialect."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Numeric(asdecimal=False))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """To the database; a time without a zone is refused rather than guessed."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone: times are aware UTC")
        if dialect.name != "sqlite":
            return value
        seconds = value.timestamp()
        return int(seconds) if seconds.is_integer() else seconds

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database (aware UTC)."""
        if value is None:
            return None
        return value.astimezone(UTC) if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)


class Base(DeclarativeBase):
    """All tables of Meteorograph."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UTCDateTime}  # noqa: RUF012  # SQLAlchemy reads it from the class


class Location(Base):
    """A named point. ``active`` ones are collected on schedule; ``unscheduled`` ones came with a collection on demand."""

    __tablename__ = "locations"
    __table_args__ = (
        CheckConstraint("latitude BETWEEN -90 AND 90", "latitude"),
        CheckConstraint("longitude BETWEEN -180 AND 180", "longitude"),
        CheckConstraint("state IN ('active', 'paused', 'unscheduled')", "state"),
        Index("ix_locations_point", "latitude", "longitude"),
        Index("ix_locations_schedule", "state", "schedule"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    latitude: Mapped[float] = mapped_column(Float(53))
    longitude: Mapped[float] = mapped_column(Float(53))
    elevation: Mapped[float | None] = mapped_column(Float(53))
    timezone: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), default="active")
    #: Its own schedule (``schedule.py``); None follows the default of the settings.
    schedule: Mapped[str | None] = mapped_column(String(100))
    tags: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]
    #: Since when it is due on its schedule, where that is later than ``created_at``: resumed, or given another schedule.
    due_since: Mapped[datetime | None]
    #: Where the provider says its answers are for, and how far off that is.
    resolved_name: Mapped[str | None] = mapped_column(String(200))
    resolved_latitude: Mapped[float | None] = mapped_column(Float(53))
    resolved_longitude: Mapped[float | None] = mapped_column(Float(53))
    resolved_distance_km: Mapped[float | None] = mapped_column(Float(53))


@event.listens_for(Location, "before_update")
def _note_since_when_it_is_due(_mapper: object, _connection: object, location: Location) -> None:
    """Slots before a location was resumed, or got its schedule, were never due to it."""
    changed = inspect(location).attrs
    if location.state == "active" and (changed.state.history.has_changes() or changed.schedule.history.has_changes()):
        location.due_since = clock.now()


def _possible(quantity: Quantity) -> CheckConstraint:
    low, high = quantity.possible
    # 1e308 also keeps out infinity, and NaN, which PostgreSQL sorts above every number.
    return CheckConstraint(
        f"{quantity.name} BETWEEN {low if low is not None else -1e308} AND {high if high is not None else 1e308}",
        quantity.name,
    )


def _only(condition: str) -> dict[str, Any]:
    """Options of an index of the rows for which a condition holds."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class WeatherData(Base):
    """One row per location and slot; units and ranges are in ``quantities.py``, None is "not given"."""

    __tablename__ = "weather_data"
    __table_args__ = (
        *(_possible(quantity) for quantity in QUANTITIES),
        CheckConstraint("precipitation_period > 0", "precipitation_period"),
        CheckConstraint("origin IN ('live', 'backfill')", "origin"),
        Index("ix_weather_data_due_at", "due_at"),
        # There are few of them; counted apart without reading the other rows.
        Index("ix_weather_data_backfill", "location_id", "due_at", **_only("origin = 'backfill'")),
        {"sqlite_with_rowid": False},
    )

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"), primary_key=True)
    #: The scheduled instant; for a collection on demand, the instant it was asked for.
    due_at: Mapped[datetime] = mapped_column(primary_key=True)
    #: The instant the values are true of, and the end of the precipitation period.
    observed_at: Mapped[datetime | None]
    fetched_at: Mapped[datetime]
    provider: Mapped[str] = mapped_column(String(64))
    #: ``live``: collected in its slot. ``backfill``: from a provider's history, afterwards.
    origin: Mapped[str] = mapped_column(String(16), server_default="live")
    temperature: Mapped[float | None] = mapped_column(Float(53))
    humidity: Mapped[float | None] = mapped_column(Float(53))
    dew_point: Mapped[float | None] = mapped_column(Float(53))
    pressure: Mapped[float | None] = mapped_column(Float(53))
    altimeter_setting: Mapped[float | None] = mapped_column(Float(53))
    wind_speed: Mapped[float | None] = mapped_column(Float(53))
    wind_direction: Mapped[float | None] = mapped_column(Float(53))
    wind_gust: Mapped[float | None] = mapped_column(Float(53))
    cloud_cover: Mapped[float | None] = mapped_column(Float(53))
    visibility: Mapped[float | None] = mapped_column(Float(53))
    precipitation: Mapped[float | None] = mapped_column(Float(53))
    precipitation_period: Mapped[int | None] = mapped_column(Integer)
    condition: Mapped[str | None] = mapped_column(String(200))
    #: Quantity → provider, where it is another one than ``provider``.
    providers: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    #: Quantity → what is to be known of its value.
    flags: Mapped[dict[str, list[str]] | None] = mapped_column(JSON(none_as_null=True))


class LocationStation(Base):
    """The station that answers for a location, of a provider that answers by station."""

    __tablename__ = "stations"

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"), primary_key=True)
    provider: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: The provider's word for it.
    station: Mapped[str] = mapped_column(String(200))
    name: Mapped[str | None] = mapped_column(String(200))
    latitude: Mapped[float] = mapped_column(Float(53))
    longitude: Mapped[float] = mapped_column(Float(53))
    distance_km: Mapped[float] = mapped_column(Float(53))
    found_at: Mapped[datetime]


class Run(Base):
    """One scheduled instant: who has claimed it, until when, and how it ended. The UNIQUE constraint elects."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("schedule", "due_at", "shard"),
        CheckConstraint("state IN ('pending', 'running', 'succeeded', 'partial', 'failed', 'missed')", "state"),
        Index("ix_runs_state", "state", "schedule", "due_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    schedule: Mapped[str] = mapped_column(String(100))
    due_at: Mapped[datetime]
    shard: Mapped[int] = mapped_column(Integer, default=0)
    state: Mapped[str] = mapped_column(String(16))
    #: Process that has the run, and until when it may keep it without a sign of life.
    holder: Mapped[str | None] = mapped_column(String(200))
    lease_expires_at: Mapped[datetime | None]
    due: Mapped[int] = mapped_column(Integer, default=0)
    stored: Mapped[int] = mapped_column(Integer, default=0)
    failed: Mapped[int] = mapped_column(Integer, default=0)
    #: HTTP attempts of this run, by all processes that had it.
    calls: Mapped[int] = mapped_column(Integer, default=0)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    #: Why a whole run was missed: ``down``, ``late``. Of one given back, what it waits for: ``quota``, ``provider_error``.
    reason: Mapped[str | None] = mapped_column(String(32))


class Missed(Base):
    """A due slot of one location with nothing stored, why, and what healing it has come to."""

    __tablename__ = "missed"
    __table_args__ = (
        CheckConstraint("reason IN ('down', 'quota', 'provider_error', 'payload_error', 'store_error', 'late')", "reason"),
        Index("ix_missed_open", "due_at", **_only("closed_at IS NULL")),
        {"sqlite_with_rowid": False},
    )

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str | None] = mapped_column(String(500))
    #: How often histories answered without data for it, and when they were last asked, whatever came of it.
    tries: Mapped[int] = mapped_column(Integer, server_default="0")
    tried_at: Mapped[datetime | None]
    #: No history is asked before this instant.
    next_try_at: Mapped[datetime | None]
    #: Since when it counts as unrecoverable; None while it may still be healed.
    closed_at: Mapped[datetime | None]


class Quota(Base):
    """What an account has spent of one of its windows in the current period."""

    __tablename__ = "quota"
    __table_args__ = (CheckConstraint("used >= 0", "used"),)

    provider: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: ``minute``, ``hour``, ``day`` or ``month``.
    window: Mapped[str] = mapped_column(String(16), primary_key=True)
    period_start: Mapped[datetime]
    used: Mapped[int] = mapped_column(Integer)


class Account(Base):
    """What is known of the account with a provider: its key's state, and whether it may be called."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("key_state IN ('untested', 'pending', 'active', 'invalid', 'plan_missing', 'blocked')", "key_state"),
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


class Lease(Base):
    """What one process at a time may do: who does it, and until when without a sign of life."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    holder: Mapped[str | None] = mapped_column(String(200))
    expires_at: Mapped[datetime | None]


class CheckState(Base):
    """What the checks remember of a location's past (``check_past.py``)."""

    __tablename__ = "check_states"

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"), primary_key=True)
    #: The slot of the newest row that was checked.
    due_at: Mapped[datetime]
    #: JSON.
    state: Mapped[str] = mapped_column(Text)


class Heartbeat(Base):
    """The last sign of life of each process's scheduler."""

    __tablename__ = "heartbeats"

    holder: Mapped[str] = mapped_column(String(200), primary_key=True)
    beat_at: Mapped[datetime]


class Daily(Base):
    """What the rows of a location come to in a day that is over. One that is there is right: who stores into it deletes it."""

    __table__ = Table(
        "daily",
        Base.metadata,
        Column("location_id", ForeignKey("locations.id"), primary_key=True),
        #: The day as instants; a location's days follow its time zone.
        Column("start_at", UTCDateTime(), primary_key=True),
        Column("end_at", UTCDateTime(), nullable=False),
        #: Rows at slots.
        Column("stored", Integer, nullable=False),
        #: Values that were left out because they are not to be trusted.
        Column("suspect", Integer, nullable=False),
        *(
            Column(f"{name}_{part}", Integer if part == "count" else Float(53), nullable=part != "count")
            for name, parts in PARTS.items()
            for part in parts
        ),
        sqlite_with_rowid=False,
    )


class Folded(Base):
    """Until when the days of a location are in ``daily``."""

    __tablename__ = "folded"

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"), primary_key=True)
    until_at: Mapped[datetime]
    #: The time zone that its days follow; None for UTC.
    timezone: Mapped[str | None] = mapped_column(String(64))

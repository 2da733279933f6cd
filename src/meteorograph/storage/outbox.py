"""The outbox: which stored rows each integration still has to get.

Triggers of the database write it, in the transaction that stores or changes a row, so that no way of writing passes it by:
collection, backfill, rows brought back after an outage, new flags, reparsing, an older version of the program, or SQL of the
user's own. They exist only while there is an integration; without one, nothing is written.

An entry is deleted once its row has arrived. A position ("all up to number 17 have arrived") would skip rows, because
transactions do not commit in the order of their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, delete, func, insert, literal, select, text, update
from sqlalchemy.orm import Session

from ..i18n import Phrase, phrase_n
from .models import Integration, OutboxEntry, WeatherData
from .upsert import insert_or_ignore, table_of

#: How long an integration that no process is set up with keeps its place.
KEPT_UNUSED: Final = timedelta(days=7)

#: Waiting rows are counted up to this number, so that a look at them stays short.
MAX_COUNTED: Final = 100_000

_FILL: Final = "INSERT INTO outbox (integration, location_id, due_at) SELECT i.name"
_EVENTS: Final = ("insert", "update")
_FUNCTION: Final = (
    # With the search path and the rights of this transaction: another program that writes rows may have others.
    "CREATE OR REPLACE FUNCTION fill_outbox() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT "
    "AS $$ BEGIN "
    f"{_FILL}, c.location_id, c.due_at FROM changed c CROSS JOIN integrations i; RETURN NULL; END $$"
)

_outbox: Final = table_of(OutboxEntry)
_weather: Final = table_of(WeatherData)


def _create_triggers(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_FUNCTION)
    for event in _EVENTS:
        head = f"CREATE TRIGGER outbox_{event} AFTER {event.upper()} ON weather_data"
        if connection.dialect.name == "sqlite":
            body = f"BEGIN {_FILL}, NEW.location_id, NEW.due_at FROM integrations i; END"
        else:
            body = "REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION fill_outbox()"
        connection.exec_driver_sql(f"{head} {body}")


def drop_triggers(connection: Connection) -> None:
    """Drop the triggers that write the outbox."""
    for event in _EVENTS:
        on_table = "" if connection.dialect.name == "sqlite" else " ON weather_data"
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS outbox_{event}{on_table}")
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DROP FUNCTION IF EXISTS fill_outbox()")


def _has_triggers(session: Session) -> bool:
    names = "name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'weather_data'"
    if session.get_bind().dialect.name == "postgresql":
        names = "tgname AS name FROM pg_trigger WHERE tgrelid = 'weather_data'::regclass"
    found = session.execute(text(f"SELECT {names}".replace("::", "\\:\\:"))).scalars()  # constants
    return {f"outbox_{event}" for event in _EVENTS} <= {*found}


def _wait_for_writers(session: Session) -> None:
    """Wait for the transactions that write rows, and keep others out: they do not know what this transaction changes.

    A transaction on SQLite is alone anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE weather_data IN SHARE ROW EXCLUSIVE MODE"))


def is_subscribed(session: Session, name: str) -> bool:
    """Whether rows that are stored now get into the outbox for an integration."""
    return session.get(Integration, name) is not None and _has_triggers(session)


def subscribe(session: Session, name: str, now: datetime) -> None:
    """Let every row that is stored from now on get into the outbox for an integration."""
    _wait_for_writers(session)
    insert_or_ignore(session, Integration, [{"name": name, "seen_at": now}])
    if not _has_triggers(session):
        drop_triggers(session.connection())
        _create_triggers(session.connection())


def unsubscribe(session: Session, name: str) -> bool:
    """Forget an integration and its part of the outbox; False if there is none of this name."""
    _wait_for_writers(session)
    if session.get(Integration, name) is None:
        return False
    session.execute(delete(OutboxEntry).where(_outbox.c.integration == name))
    session.execute(delete(Integration).where(table_of(Integration).c.name == name))
    if session.scalar(select(Integration.name).limit(1)) is None:
        drop_triggers(session.connection())
    return True


def unsubscribe_unused(session: Session, now: datetime) -> Sequence[str]:
    """Forget the integrations that no process has been set up with for a week; gives their names."""
    names = session.scalars(select(Integration.name).where(Integration.seen_at < now - KEPT_UNUSED)).all()
    for name in names:
        unsubscribe(session, name)
    return names


def mark_again(session: Session, name: str, start: datetime, end: datetime, location_id: int | None = None) -> int:
    """Put stored rows with ``start <= due_at < end`` into the outbox of an integration; gives their number."""
    rows = select(literal(name), _weather.c.location_id, _weather.c.due_at)
    rows = rows.where(_weather.c.due_at >= start, _weather.c.due_at < end)
    if location_id is not None:
        rows = rows.where(_weather.c.location_id == location_id)
    count = session.scalar(select(func.count()).select_from(rows.subquery())) or 0
    session.execute(insert(_outbox).from_select(["integration", "location_id", "due_at"], rows))
    return count


class IntegrationState(NamedTuple):
    """How the sending to an integration goes."""

    record: Integration
    #: Entries of its outbox, counted up to ``MAX_COUNTED``.
    waiting: int

    @property
    def waiting_text(self) -> Phrase:
        """How many rows wait, in words."""
        if self.waiting >= MAX_COUNTED:
            return phrase_n("{count:,} or more row waits", "{count:,} or more rows wait", self.waiting)
        return phrase_n("{count:,} row waits", "{count:,} rows wait", self.waiting)


def read_states(session: Session) -> list[IntegrationState]:
    """The integrations, by name."""
    records = session.scalars(select(Integration).order_by(Integration.name)).all()
    states = []
    for record in records:
        entries = select(_outbox.c.id).where(_outbox.c.integration == record.name).limit(MAX_COUNTED).subquery()
        states.append(IntegrationState(record, session.scalar(select(func.count()).select_from(entries)) or 0))
    return states


def delete_entries(session: Session, ids: Sequence[int]) -> None:
    """Delete entries whose rows have arrived, or are gone. An entry that was added meanwhile stays: its row has changed again."""
    session.execute(delete(OutboxEntry).where(_outbox.c.id.in_(ids)))


def note_success(session: Session, name: str, now: datetime, sent: int = 0, refusals: Sequence[str] = ()) -> None:
    """Record that a receiver works, how many rows it has taken, and what it said of those that it refused."""
    table = table_of(Integration)
    values: dict[str, Any] = {"seen_at": now, "failing_since": None, "failure": None, "sent": table.c.sent + sent}
    if refusals:
        values |= {"refused": table.c.refused + len(refusals), "refused_at": now, "refusal": refusals[-1][:300]}
    session.execute(update(table).where(table.c.name == name).values(values))


def note_failure(session: Session, name: str, now: datetime, reason: str) -> None:
    """Record that an attempt to send has failed."""
    table = table_of(Integration)
    since = func.coalesce(table.c.failing_since, literal(now, table.c.seen_at.type))
    change = update(table).where(table.c.name == name)
    session.execute(change.values(seen_at=now, failing_since=since, failure=reason[:300], failures=table.c.failures + 1))

"""Delete the rollups of days for which new rows are stored.

``reading/rollups.py`` makes the rollups of past days. Nearly all new rows belong to the current day, which has no rollup yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, delete, text, update
from sqlalchemy.orm import Session

from ..model.valid_time import MAX_DISPLACEMENT, MAX_PERIOD
from .models import DailyRollup, RolledUpUntil
from .upsert import table_of

#: No day that ended later than this before now is rolled up, even if the clocks of two processes differ by an hour: rows whose
#: values and amounts are younger have no rollup to delete.
LIVE_AGE: Final = timedelta(hours=6)
#: Time between the end of a day and its rollup.
ROLL_UP_DELAY: Final = timedelta(hours=8)

#: Length of the longest day, when the clocks change.
_LONGEST_DAY: Final = timedelta(hours=25)

_MAX_DISPLACEMENT: Final = timedelta(seconds=MAX_DISPLACEMENT)
_MAX_PERIOD: Final = timedelta(seconds=MAX_PERIOD)

#: An arbitrary number for the advisory lock of rollups.
_ADVISORY_LOCK: Final = 7_051_892

_daily, _folded = table_of(DailyRollup), table_of(RolledUpUntil)
_DELETE_DAYS: Final = delete(_daily).where(
    _daily.c.location_id == bindparam("location"), _daily.c.start_at > bindparam("since"), _daily.c.start_at <= bindparam("until")
)
_RESET_UNTIL: Final = (
    update(_folded)
    .where(_folded.c.location_id == bindparam("location"), _folded.c.until_at > bindparam("since"))
    .values(until_at=bindparam("since"))
)


def invalidate_rollups(session: Session, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Delete the rollups of the days of these rows, which the same transaction is about to store."""
    live = now - LIVE_AGE
    old = {(row["location_id"], day) for row in rows for day in _affected_days(row, live)}
    if not old:
        return
    lock_rollups(session, shared=True)
    days = [
        {"location": id_, "since": _midnight(day) - _LONGEST_DAY, "until": _midnight(day) + _LONGEST_DAY}
        for id_, day in sorted(old)
    ]
    connection = session.connection()
    connection.execute(_DELETE_DAYS, days)
    connection.execute(_RESET_UNTIL, [{"location": day["location"], "since": day["since"]} for day in days])


def _affected_days(row: Mapping[str, Any], live: datetime) -> Iterator[date]:
    """The days (UTC) that a row has a slot, a value or an amount in; none if all of these are younger than ``live``."""
    due_at, observed_at = row["due_at"], row.get("observed_at") or row["due_at"]
    if abs(observed_at - due_at) > _MAX_DISPLACEMENT:
        observed_at = due_at
    period = _MAX_PERIOD if row.get("other_values") else timedelta(seconds=row.get("precipitation_period") or 0)
    start = min(due_at, observed_at - min(period, _MAX_PERIOD))
    if start < live:
        day, last = start.date(), max(due_at, observed_at).date()
        while day <= last:
            yield day
            day += timedelta(days=1)


def lock_rollups(session: Session, *, shared: bool) -> None:
    """Lock the rollups until the end of the transaction: shared to delete days, exclusive to roll up days.

    SQLite needs no lock, since it has only one writer.
    """
    if session.get_bind().dialect.name == "postgresql":
        kind = "_shared" if shared else ""
        session.execute(text(f"SELECT pg_advisory_xact_lock{kind}(:number)"), {"number": _ADVISORY_LOCK})


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)

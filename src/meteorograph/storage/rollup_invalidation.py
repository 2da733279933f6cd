"""Delete the rollups of days for which new rows are stored.

``reading/rollups.py`` makes the rollups of past days. Nearly all new rows belong to the current day, which has no rollup yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, delete, text, update
from sqlalchemy.orm import Session

from .models import DailyRollup, RolledUpUntil
from .upsert import table_of

#: No day with a slot younger than this is rolled up, even if the clocks of two processes differ by an hour.
LIVE_AGE: Final = timedelta(hours=2)
#: Rows up to this long after a day's end may contain precipitation that fell in the day.
PRECIPITATION_LAG: Final = timedelta(hours=1)
#: Time between the end of a day and its rollup.
ROLL_UP_DELAY: Final = timedelta(hours=4)

#: Length of the longest day, when the clocks change.
_LONGEST_DAY: Final = timedelta(hours=25)

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
    old = {(row["location_id"], row["due_at"].date()) for row in rows if row["due_at"] < live}
    if not old:
        return
    lock_rollups(session, shared=True)
    days = [
        {"location": id_, "since": _midnight(day) - _LONGEST_DAY - PRECIPITATION_LAG, "until": _midnight(day) + _LONGEST_DAY}
        for id_, day in old
    ]
    connection = session.connection()
    connection.execute(_DELETE_DAYS, days)
    connection.execute(_RESET_UNTIL, [{"location": day["location"], "since": day["since"]} for day in days])


def lock_rollups(session: Session, *, shared: bool) -> None:
    """Lock the rollups until the end of the transaction: shared to delete days, exclusive to roll up days.

    SQLite needs no lock, since it has only one writer.
    """
    if session.get_bind().dialect.name == "postgresql":
        kind = "_shared" if shared else ""
        session.execute(text(f"SELECT pg_advisory_xact_lock{kind}(:number)"), {"number": _ADVISORY_LOCK})


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)

"""Which days of a location are rolled up, and what a row that is stored does to that: its day is forgotten.

``folding.py`` makes the rollups of days that are over. Rows of the open day, which are nearly all, have nothing to forget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, delete, text, update
from sqlalchemy.orm import Session

from .models import DailyRollup, RolledUpUntil
from .upsert import table_of

#: A row of a slot this young belongs to no day that is rolled up, by any clock within an hour of this one.
LIVE: Final = timedelta(hours=2)
#: How long after a day's end the slots lie whose precipitation fell in it.
AHEAD: Final = timedelta(hours=1)
#: How long a day must be over before it is rolled up.
SETTLED: Final = timedelta(hours=4)

#: The longest day.
_LONGEST: Final = timedelta(hours=25)

#: An arbitrary number that only rollups lock on.
_ADVISORY_LOCK: Final = 7_051_892

_daily, _folded = table_of(DailyRollup), table_of(RolledUpUntil)
_FORGET: Final = delete(_daily).where(
    _daily.c.location_id == bindparam("location"), _daily.c.start_at > bindparam("since"), _daily.c.start_at <= bindparam("until")
)
_BEGIN_AGAIN: Final = (
    update(_folded)
    .where(_folded.c.location_id == bindparam("location"), _folded.c.until_at > bindparam("since"))
    .values(until_at=bindparam("since"))
)


def invalidate(session: Session, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Forget the rollups that rows about to be stored by this transaction belong to."""
    live = now - LIVE
    old = {(row["location_id"], row["due_at"].date()) for row in rows if row["due_at"] < live}
    if not old:
        return
    lock_rollups(session, shared=True)
    days = [{"location": id_, "since": _midnight(day) - _LONGEST - AHEAD, "until": _midnight(day) + _LONGEST} for id_, day in old]
    connection = session.connection()
    connection.execute(_FORGET, days)
    connection.execute(_BEGIN_AGAIN, [{"location": day["location"], "since": day["since"]} for day in days])


def lock_rollups(session: Session, *, shared: bool) -> None:
    """Keep who forgets days and who rolls them up apart until the transaction ends; SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        kind = "_shared" if shared else ""
        session.execute(text(f"SELECT pg_advisory_xact_lock{kind}(:number)"), {"number": _ADVISORY_LOCK})


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)

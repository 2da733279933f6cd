"""Rows of slots in the future, which a process stored while its clock was wrong: flag them, and check without them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ..log_output import get_logger
from ..model.flags import Flag
from ..quality.check_batch import LocationPast, check_batch, merge_flags
from ..quality.row_checks import MAX_CLOCK_LEAD, QUANTITY_NAMES
from ..quality.time_checks import PastState
from .models import WeatherData
from .rollup_invalidation import LIVE_AGE, invalidate_rollups
from .upsert import table_of

log = get_logger(__name__)

#: Number of rows until now that the state of the checks is made from again.
_ROWS: Final = 48

_table = table_of(WeatherData)


def set_aside_future_rows(session: Session, location_id: int, past: LocationPast, now: datetime) -> PastState | None:
    """Flag the rows of a location that are due after ``now``, and give the state of the checks without them."""
    is_here, until = _table.c.location_id == location_id, now + MAX_CLOCK_LEAD
    ahead = session.execute(select(_table).where(is_here, _table.c.due_at > until)).mappings().all()
    for row in ahead:
        future = {name: [Flag.FUTURE.value] for name in QUANTITY_NAMES if row[name] is not None}
        key = (is_here, _table.c.due_at == row["due_at"])
        session.execute(update(_table).where(*key).values(flags=merge_flags(row["flags"] or {}, future) or None))
    # That process may have rolled up the days until then.
    invalidate_rollups(session, [{"location_id": location_id, "due_at": now}], now + LIVE_AGE + timedelta(seconds=1))
    log.warning("rows of a clock that was ahead are set aside", location_id=location_id, rows=len(ahead), now=now.isoformat())
    newest = select(_table).where(is_here, _table.c.due_at <= until).order_by(_table.c.due_at.desc()).limit(_ROWS)
    rows: list[dict[str, Any]] = [dict(row) for row in reversed(session.execute(newest).mappings().all())]
    return check_batch(rows, {location_id: past._replace(state=None)}).states.get(location_id)

"""Rows of slots in the future, which a process stored while its clock was wrong: flag them, and check without them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..log_output import get_logger
from ..model.flags import Flag
from ..quality.check_batch import LocationPast, check_batch, merge_flags
from ..quality.row_checks import MAX_CLOCK_LEAD, QUANTITY_NAMES, Flags
from ..quality.time_checks import PastState
from .flag_updates import change_flags
from .models import WeatherData
from .upsert import table_of

log = get_logger(__name__)

#: Number of rows until now that the state of the checks is made from again.
_ROWS: Final = 48

_table = table_of(WeatherData)


def set_aside_future_rows(session: Session, location_id: int, past: LocationPast, now: datetime) -> PastState | None:
    """Flag the rows of a location that are due after ``now``, and give the state of the checks without them."""
    until = now + MAX_CLOCK_LEAD
    count = change_flags(session, location_id, _table.c.due_at > until, _add_future, now)
    log.warning("rows of a clock that was ahead are set aside", location_id=location_id, rows=count, now=now.isoformat())
    newest = select(_table).where(_table.c.location_id == location_id, _table.c.due_at <= until)
    rows = session.execute(newest.order_by(_table.c.due_at.desc()).limit(_ROWS)).mappings().all()
    return check_batch([dict(row) for row in reversed(rows)], {location_id: past._replace(state=None)}).states.get(location_id)


def _add_future(row: Mapping[str, Any]) -> Flags:
    future = {name: [Flag.FUTURE.value] for name in QUANTITY_NAMES if row[name] is not None}
    return merge_flags(row["flags"] or {}, future)

"""What the kinds of background tasks do: fill missed slots, read the journal again, write a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from ..config.settings import Settings
from ..errors import JournalStoreError
from ..exporting import export as exporting
from ..healing.backfill import run_backfill
from ..healing.backfill_plan import BackfillRequest, count_missing_slots, require_history
from ..model import clock
from ..reparsing.reparse import ReparseResult, reparse
from ..storage.engine import get_db_session
from .hold import Hold

#: How often the position in the journal is stored [s].
_STORE_SECONDS: Final = 5.0

_HOUR: Final = timedelta(hours=1)

#: A backfill that lacks calls goes on after this time: its quota may be that of a day.
_CALLS_WAIT: Final = timedelta(hours=1)


#: A reading of the journal whose store is away goes on after this time.
_STORE_WAIT: Final = timedelta(minutes=5)


class TaskWait(NamedTuple):
    """A task cannot go on now."""

    until: datetime
    reason: str


class TaskStoppedError(Exception):
    """The work has ended because of ``Hold.stop``."""


#: Works on a task until it is done, must wait, or ``Hold.stop`` is set.
Work = Callable[[Settings, Hold], TaskWait | None]


class BackfillArguments(NamedTuple):
    """Which slots to fill: as ``BackfillRequest``, with instants as ISO 8601 texts."""

    location: str | None
    start: str | None
    end: str
    again: bool

    def request(self, untried_since: datetime | None = None) -> BackfillRequest:
        """As a request for the slots that were not tried since then."""
        start = None if self.start is None else datetime.fromisoformat(self.start)
        return BackfillRequest(self.location, start, datetime.fromisoformat(self.end), self.again, untried_since)


def backfill(settings: Settings, hold: Hold) -> TaskWait | None:
    """Fill missed slots. The ledger says what is left to do, and what was filled is what is no longer missing at the end."""
    arguments = BackfillArguments(**hold.claim.arguments)
    require_history(settings)
    everything = replace(arguments.request(), again=True)
    counts = dict(hold.claim.counts) or {"missing_before": count_missing_slots(settings, everything)}
    hold.advance(None, counts)
    total = counts["missing_before"]
    left = count_missing_slots(settings, everything)
    result = run_backfill(
        settings,
        arguments.request(hold.claim.created_at),
        hold.stop,
        lambda filled, _: hold.report(total - left + filled, total),
    )
    if hold.stop.is_set():
        return None
    missing = count_missing_slots(settings, everything)
    hold.report(total - missing, total)
    hold.advance(None, {**counts, "filled": total - missing, "missing": missing})
    return TaskWait(clock.now() + _CALLS_WAIT, "no calls are left now for the other slots") if result.waiting else None


def read_again(settings: Settings, hold: Hold) -> TaskWait | None:
    """Read the answers of the journal again, hour by hour."""
    start, end = (datetime.fromisoformat(hold.claim.arguments[name]) for name in ("start", "end"))
    before = dict(hold.claim.counts)
    position, stored_at = hold.claim.position, time.monotonic()

    def counts(result: ReparseResult) -> dict[str, int]:
        found = {
            "payloads": result.payloads,
            "rows": result.rows - len(result.refused),
            "differences": result.differences,
            "unread": sum(result.unread.values()),
            "refused": len(result.refused),
        }
        return {name: before.get(name, 0) + number for name, number in found.items()}

    def progress(done: datetime, result: ReparseResult) -> None:
        nonlocal position, stored_at
        position = done.isoformat()
        hold.report((min(done, end) - start) // _HOUR, (end - start) // _HOUR)
        if time.monotonic() - stored_at >= _STORE_SECONDS:
            hold.advance(position, counts(result))
            stored_at = time.monotonic()

    resume_at = None if position is None else datetime.fromisoformat(position)
    try:
        result = reparse(settings, start, end, apply=True, resume_at=resume_at, progress=progress, stop=hold.stop)
    except JournalStoreError as error:  # the position stays where it is
        return TaskWait(clock.now() + _STORE_WAIT, str(error))
    hold.advance(position, counts(result))
    if not hold.stop.is_set():
        hold.report((end - start) // _HOUR, (end - start) // _HOUR)
    return None


def write_file(settings: Settings, hold: Hold) -> TaskWait | None:
    """Export rows to a file, which appears only when it is complete: after a crash it is begun again."""
    options = hold.claim.arguments
    to, format = Path(options["output"]), next(one for one in exporting.FORMATS if one == options["format"])
    start, end = (options[name] and datetime.fromisoformat(options[name]) for name in ("start", "end"))
    query = exporting.ExportQuery(tuple(options["locations"]), tuple(options["tags"]), start, end)

    def report(done: int, total: int) -> None:
        if hold.stop.is_set():
            raise TaskStoppedError
        hold.report(done, total)

    with get_db_session(read_only=True) as session:
        if options["partitioned"]:
            result = exporting.export_partitioned(session, query, to, report)
        else:
            result = exporting.export(session, query, format, to, report, has_byte_order_mark=options["bom"])
    hold.advance(None, {"rows": result.rows, "files": len(result.files)})
    return None


#: Kind of task → what does it.
WORKS: Final[Mapping[str, Work]] = {"backfill": backfill, "reparse": read_again, "export": write_file}

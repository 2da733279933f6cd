"""``meteorograph runs``, ``gaps`` and ``coverage``: what was collected, what was not, and why."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from ..model.states import MissedReason, RunState

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: Locations that are asked for at a time.
_PAGE: Final = 1000

#: What a table has in place of nothing.
_NONE: Final = "\N{EN DASH}"

_STATES: Final = tuple(state.value for state in RunState)
_REASONS: Final = tuple(reason.value for reason in MissedReason)

_JSON = click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
_LOCATION = click.option("--location", help="Only the location of this name.")
_LIMIT = click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many, the newest.")


def _ranged(default: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options ``--start`` and ``--end``."""
    times = "an ISO 8601 time (UTC without a zone) or a time back from now such as 7d"

    def wrap(command: Callable[..., None]) -> Callable[..., None]:
        command = click.option("--end", metavar="TIME", help="Up to then: likewise [now].")(command)
        return click.option("--start", metavar="TIME", help=f"From then on: {times} [{default} before the end].")(command)

    return wrap


@click.command()
@_ranged("24h")
@_LIMIT
@click.option("--schedule", help="Only this schedule: default, or its text.")
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@_JSON
def runs(start: str | None, end: str | None, limit: int, schedule: str | None, state: str | None, as_json: bool) -> None:
    """Show runs, newest first: what was due, stored and failed, and why."""
    from ..ledger import queries
    from ..model import time_range
    from ..web.json_objects import run_object

    since, until = _period(start, end, time_range.RUNS_RANGE)
    with _session() as session:
        entries, following = queries.list_runs(session, since, until, limit=limit, schedule=schedule, state=state)
    if as_json:
        return _print_json([run_object(run) for run in entries])
    rows = [
        (
            _time(run.due_at),
            run.schedule,
            run.state,
            str(run.due),
            str(run.stored),
            str(run.failed),
            _duration(run.started_at, run.ended_at),
            str(run.calls),
            _reasons(run.failed_by_reason, run.reason),
        )
        for run in entries
    ]
    heads = ("due at (UTC)", "schedule", "state", "due", "stored", "failed", "took", "calls", "reasons")
    _print_table(heads, rows, right=range(3, 8), empty="no runs")
    _print_more(following is not None, limit)


@click.command()
@_LOCATION
@_ranged("7d")
@click.option("--reason", type=click.Choice(_REASONS), help="Only those for this reason.")
@_LIMIT
@_JSON
def gaps(location: str | None, start: str | None, end: str | None, reason: str | None, limit: int, as_json: bool) -> None:
    """Show what was not collected and why, newest first; exit 1 if there is anything."""
    from ..ledger.gaps import list_gaps
    from ..model import time_range
    from ..web.json_objects import gap_object

    since, until = _period(start, end, time_range.DEFAULT_RANGE)
    with _session() as session:
        entries, following = list_gaps(session, since, until, location=location, reason=reason, limit=limit)
    if as_json:
        _print_json([gap_object(gap) for gap in entries])
    else:
        rows = [
            (
                gap.location,
                _time(gap.first_slot),
                _time(gap.last_slot),
                str(gap.slots),
                gap.reason,
                "unrecoverable" if gap.is_unrecoverable else "",
                _short(gap.detail),
            )
            for gap in entries
        ]
        heads = ("location", "from (UTC)", "to", "slots", "reason", "healing", "detail")
        _print_table(heads, rows, right=(3,), empty="no gaps")
        _print_more(following is not None, limit)
    if entries:
        raise SystemExit(1)


@click.command()
@_LOCATION
@_ranged("7d")
@click.option("--by", type=click.Choice(["location", "day"]), default="location", show_default=True, help="A line for each.")
@_JSON
def coverage(location: str | None, start: str | None, end: str | None, by: str, as_json: bool) -> None:
    """Show how much of what was due is stored."""
    from ..ledger.coverage import slot_coverage
    from ..model import time_range
    from ..web.json_objects import coverage_object

    since, until = _period(start, end, time_range.DEFAULT_RANGE)
    which: Literal["day", "location"] = "day" if by == "day" else "location"
    with _session() as session:
        entries, following = slot_coverage(session, since, until, by=which, location=location, limit=_PAGE)
        while following is not None:
            page, following = slot_coverage(session, since, until, by=which, limit=_PAGE, after=following)
            entries += page
    if as_json:
        return _print_json([coverage_object(entry) for entry in entries])
    rows = [
        (
            str(entry.day if by == "day" else entry.location),
            str(entry.due),
            str(entry.stored),
            str(entry.backfilled or ""),
            str(entry.missed),
            str(entry.pending),
            str(entry.unrecoverable or ""),
            _percent(entry.coverage),
            _reasons(entry.missed_by_reason, None),
        )
        for entry in entries
    ]
    counts = ("due", "stored", "backfilled", "missed", "pending", "unrecoverable")
    heads = ("day (UTC)" if by == "day" else "location", *counts, "coverage", "reasons")
    _print_table(heads, rows, right=range(1, 8), empty="nothing was due")


@contextmanager
def _session() -> Iterator[Session]:
    from ..storage.engine import get_db_session, init_db

    init_db()
    with get_db_session(read_only=True) as session:
        yield session


def _period(start: str | None, end: str | None, length: timedelta) -> tuple[datetime, datetime]:
    from ..model import clock, time_range

    now = clock.now()
    try:
        return time_range.resolve_range(_moment("start", start, now), _moment("end", end, now), now, length)
    except ValueError as error:
        raise click.UsageError(f"--start {start}: {error}") from None


def _moment(name: str, text: str | None, now: datetime) -> datetime | None:
    from ..model import time_range

    try:
        return None if text is None else time_range.parse_instant(text, now)
    except ValueError as error:
        raise click.UsageError(f"--{name} {text}: {error}") from None


def _print_json(objects: list[dict[str, Any]]) -> None:
    click.echo(json.dumps(objects, ensure_ascii=False, indent=1))


def _print_table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int], empty: str) -> None:
    """Aligned columns; those that are empty throughout are left out."""
    if not rows:
        click.echo(empty)
        return
    shown = [number for number in range(len(heads)) if any(row[number] for row in rows)]
    widths = {number: max(len(row[number]) for row in (heads, *rows)) for number in shown}
    for row in (heads, *rows):
        cells = (f"{row[number]:{'>' if number in right else '<'}{widths[number]}}" for number in shown)
        click.echo("  ".join(cells).rstrip())


def _print_more(more: bool, limit: int) -> None:
    if more:
        click.echo(f"meteorograph: there are more than {limit}; --limit, --start and --end say which are shown", err=True)


def _time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}" if not instant.second else f"{instant:%Y-%m-%d %H:%M:%S}"


def _duration(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None:
        return _NONE
    seconds = (end - start).total_seconds()
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.0f} min"


def _reasons(many: dict[str, int], whole: str | None) -> str:
    """Reasons with how often each one was recorded; for a run that has only one of its own, that."""
    return ", ".join(f"{reason} {count}" for reason, count in many.items()) or whole or ""


def _percent(share: float | None) -> str:
    """Rounded down: only what is complete is 100 %."""
    return _NONE if share is None else f"{math.floor(share * 1000) / 10:.1f} %"


def _short(text: str | None) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= 60 else f"{line[:59]}…"

"""``meteorograph runs``, ``gaps`` and ``coverage``: what was collected, what was missed, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

import click

from .job_runs import show_job_runs
from .options import json_option, location_option, parse_period, range_options
from .output import Column, complain, print_json, print_table
from .sessions import open_session

#: Locations per database query.
_PAGE: Final = 1000

#: Stands for a value that does not exist.
_NONE: Final = "\N{EN DASH}"

_STATES: Final = ("pending", "running", "succeeded", "partial", "failed", "missed")
_REASONS: Final = (
    "down",
    "stopped",
    "database",
    "internal",
    "unrecorded",
    "quota",
    "provider_error",
    "payload_error",
    "store_error",
    "late",
)

_limit_option = click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="Show at most this many, the newest."
)

_RUN_COLUMNS: Final = (
    Column("due at (UTC)"),
    Column("schedule", wraps=True),
    Column("state", is_state=True),
    *(Column(title, is_number=True) for title in ("due", "stored", "failed", "took", "calls")),
    Column("reasons", wraps=True),
)
_GAP_COLUMNS: Final = (
    Column("location", wraps=True),
    Column("from (UTC)"),
    Column("to"),
    Column("slots", is_number=True),
    Column("reason"),
    Column("healing", is_state=True),
    Column("detail", wraps=True),
)
_COVERAGE_COLUMNS: Final = (
    *(
        Column(title, is_number=True)
        for title in ("due", "stored", "backfilled", "imported", "missed", "pending", "unrecoverable", "coverage")
    ),
    Column("reasons", wraps=True),
)


@click.command()
@range_options("24h before the end")
@_limit_option
@click.option("--schedule", help="Only this schedule: default, or its text.")
@click.option("--state", type=click.Choice((*_STATES, "skipped")), help="Only runs in this state.")
@click.option("--jobs", is_flag=True, help="Runs of your own jobs instead of collection.")
@click.option("--job", help="Only runs of this job.")
@json_option
def runs(
    start: str | None,
    end: str | None,
    limit: int,
    schedule: str | None,
    state: str | None,
    jobs: bool,
    job: str | None,
    as_json: bool,
) -> None:
    """Show runs, newest first: how many slots were due, stored and failed, and why."""
    from ..ledger import queries
    from ..model import time_range
    from ..web.json_objects import run_object

    since, until = parse_period(start, end, time_range.RUNS_RANGE)
    if jobs or job is not None:
        if schedule is not None:
            raise click.UsageError("--schedule: is for collection; use --job with --jobs")
        return show_job_runs(since, until, limit=limit, job=job, state=state, as_json=as_json)
    if state is not None and state not in _STATES:
        raise click.UsageError(f"--state {state}: is a state of jobs; use --jobs too")
    with open_session(read_only=True) as session:
        entries, following = queries.list_runs(session, since, until, limit=limit, schedule=schedule, state=state)
    if as_json:
        return print_json([run_object(run) for run in entries])
    rows = [
        (
            _time_text(run.due_at),
            run.schedule,
            run.state,
            str(run.due),
            str(run.stored),
            str(run.failed),
            _duration_text(run.started_at, run.ended_at),
            str(run.calls),
            _reasons_text(run.failed_by_reason, run.reason),
        )
        for run in entries
    ]
    _print_rows(_RUN_COLUMNS, rows, empty="no runs")
    _complain_of_limit(following is not None, limit)


@click.command()
@location_option
@range_options("7d before the end")
@click.option("--reason", type=click.Choice(_REASONS), help="Only gaps with this reason.")
@_limit_option
@json_option
def gaps(location: str | None, start: str | None, end: str | None, reason: str | None, limit: int, as_json: bool) -> None:
    """Show missed slots as gaps, newest first; exit 1 if there are any."""
    from ..ledger.gaps import list_gaps
    from ..model import time_range
    from ..web.json_objects import gap_object

    since, until = parse_period(start, end, time_range.DEFAULT_RANGE)
    with open_session(read_only=True) as session:
        entries, following = list_gaps(session, since, until, location=location, reason=reason, limit=limit)
    if as_json:
        print_json([gap_object(gap) for gap in entries])
    else:
        rows = [
            (
                gap.location,
                _time_text(gap.first_slot),
                _time_text(gap.last_slot),
                str(gap.slots),
                gap.reason,
                "unrecoverable" if gap.is_unrecoverable else "",
                _shorten(gap.detail),
            )
            for gap in entries
        ]
        _print_rows(_GAP_COLUMNS, rows, empty="no gaps")
        _complain_of_limit(following is not None, limit)
    if entries:
        raise SystemExit(1)


@click.command()
@location_option
@range_options("7d before the end")
@click.option("--by", type=click.Choice(["location", "day"]), default="location", show_default=True, help="What a line is.")
@json_option
def coverage(location: str | None, start: str | None, end: str | None, by: str, as_json: bool) -> None:
    """Show how many of the due slots are stored."""
    from ..ledger.coverage import slot_coverage
    from ..model import time_range
    from ..web.json_objects import coverage_object

    since, until = parse_period(start, end, time_range.DEFAULT_RANGE)
    grouping: Literal["day", "location"] = "day" if by == "day" else "location"
    with open_session(read_only=True) as session:
        entries, following = slot_coverage(session, since, until, by=grouping, location=location, limit=_PAGE)
        while following is not None:
            page, following = slot_coverage(session, since, until, by=grouping, limit=_PAGE, after=following)
            entries += page
    if as_json:
        return print_json([coverage_object(entry) for entry in entries])
    rows = [
        (
            str(entry.day if by == "day" else entry.location),
            str(entry.due),
            str(entry.stored),
            str(entry.backfilled or ""),
            str(entry.imported or ""),
            str(entry.missed),
            str(entry.pending),
            str(entry.unrecoverable or ""),
            _percent_text(entry.coverage),
            _reasons_text(entry.missed_by_reason, None),
        )
        for entry in entries
    ]
    first = Column("day (UTC)") if by == "day" else Column("location", wraps=True)
    _print_rows((first, *_COVERAGE_COLUMNS), rows, empty="nothing was due")


def _print_rows(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    if rows:
        print_table(columns, rows)
    else:
        click.echo(empty)


def _complain_of_limit(has_more: bool, limit: int) -> None:
    if has_more:
        complain(f"there are more than {limit}; use --limit, --start and --end to see others")


def _time_text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}" if not instant.second else f"{instant:%Y-%m-%d %H:%M:%S}"


def _duration_text(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None:
        return _NONE
    seconds = (end - start).total_seconds()
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.0f} min"


def _reasons_text(counts: dict[str, int], run_reason: str | None) -> str:
    """The reasons with their counts; without any, the reason of the run."""
    return ", ".join(f"{reason} {count}" for reason, count in counts.items()) or run_reason or ""


def _percent_text(share: float | None) -> str:
    """A share in percent, rounded down: only a complete one is 100 %."""
    return _NONE if share is None else f"{math.floor(share * 1000) / 10:.1f} %"


def _shorten(text: str | None) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= 60 else f"{line[:59]}…"

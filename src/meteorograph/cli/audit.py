"""``meteorograph audit``: whether every slot is accounted for."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from ..model.words import counted, were
from .options import json_option, parse_moment
from .output import Column, complain, print_json, print_table

_COLUMNS = (
    Column("schedule", wraps=True),
    Column("from (UTC)"),
    Column("to"),
    Column("slots", is_number=True),
    Column("missing", is_number=True),
    Column("reason"),
)


@click.command()
@click.option("--start", metavar="TIME", help="Audit from this time on, such as 30d or 2026-01-31 [the first run].")
@click.option("--dry-run", is_flag=True, help="Show what is found, and record nothing.")
@json_option
def audit(start: str | None, dry_run: bool, as_json: bool) -> None:
    """Find slots without a row, a reason or an open run, and record their reason; exit 1 if there were any."""
    from ..config.loading import get_settings
    from ..ledger.audit import audit as find_and_repair
    from ..ledger.claims import due_schedules
    from ..model import clock
    from ..model.schedule import Interval
    from ..storage.engine import init_db

    now = clock.now()
    since = parse_moment("start", start, now)
    init_db()
    findings = find_and_repair(now, due_schedules(Interval(get_settings().interval)), since=since, repair=not dry_run)
    if as_json:
        print_json([_object(finding) for finding in findings])
    elif findings:
        print_table(_COLUMNS, [_row(finding) for finding in findings])
    else:
        click.echo("Every slot has a row, a reason or an open run.")
    if findings:
        missing = sum(finding.missing for finding in findings)
        recorded = "" if dry_run else f"; {'its reason is' if missing == 1 else 'their reasons are'} recorded now"
        complain(f"{counted(missing, 'slot')} of locations {were(missing)} not accounted for{recorded}")
        raise SystemExit(1)


def _row(finding: Any) -> tuple[str, ...]:
    first, last = (f"{at:%Y-%m-%d %H:%M}" for at in (finding.first_slot, finding.last_slot))
    return finding.schedule, first, last, f"{finding.slots:,}", f"{finding.missing:,}", str(finding.reason)


def _object(finding: Any) -> dict[str, Any]:
    instants = {"first_slot": finding.first_slot.isoformat(), "last_slot": finding.last_slot.isoformat()}
    return {**asdict(finding), **instants, "reason": str(finding.reason)}

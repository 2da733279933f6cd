"""``meteorograph status``: whether all is well, what is missing, and what comes next."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from ..model.words import counted
from .options import json_option
from .output import Column, age_text, print_json, print_table

if TYPE_CHECKING:
    from ..web.health_report import HealthReport
    from ..web.quota import AccountView

#: How long to wait for the database [s].
_WAIT_SECONDS: Final = 10.0


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Show whether all is well: problems, last and next run, missed slots, quotas. Exit code 1 unless it is."""
    from ..config.loading import load_settings, pin_settings
    from ..ledger.gaps import count_missed
    from ..model import clock
    from ..storage.engine import get_db_session, init_db
    from ..web.health import report_object
    from ..web.health_report import HealthStatus, read_report
    from ..web.quota import account_object, account_views

    settings = load_settings(scheduler_enabled=False)  # another process collects
    pin_settings(settings)
    init_db()
    report = read_report(wait=_WAIT_SECONDS)
    if report.is_healthy and not report.is_scheduler_running and not any(report.freshness.values()):
        report = replace(report, status=HealthStatus.FAILING, problems=["nothing is stored yet, and no process collects"])
    accounts: list[AccountView] = []
    missed: dict[str, int] = {}
    if report.is_database_up:
        with get_db_session(read_only=True) as session:
            accounts, missed = account_views(session, settings), count_missed(session, clock.now())
    if as_json:
        print_json({**report_object(report), "missed": missed, "quota": [account_object(view) for view in accounts]})
    else:
        _print_report(report, accounts, missed, clock.now())
    if report.status != "ok":
        raise SystemExit(1)


def _print_report(report: HealthReport, accounts: list[AccountView], missed: dict[str, int], now: datetime) -> None:
    rows = [("status", str(report.status)), *(("", problem) for problem in report.problems)]
    rows.append(("locations", _locations_text(report)))
    last = report.last_run
    if last is not None:
        counts = f"{last.stored} of {last.due} stored"
        rows.append(("last run", f"{_time(last.due_at)} ({age_text(last.due_at, now)}), {last.state}: {counts}"))
    rows.append(("next run", _time(report.next_run) if report.next_run else "none, no process collects"))
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(missed.items()))
    rows.append(("missed in 24 h", f"{sum(missed.values()):,}{f' ({reasons})' if reasons else ''}"))
    for view in accounts:
        rows.append((view.provider, "; ".join(filter(None, _account_texts(view)))))
    for state in report.integrations:
        failing = "fails" if state.record.failing_since else "works"
        rows.append((state.record.name, f"{failing}, {state.waiting_text if state.waiting else 'no row waits'}"))
    print_table((Column(), Column(is_state=True, wraps=True)), rows)


def _locations_text(report: HealthReport) -> str:
    late = len(report.stale)
    new = sum(age is None and name not in report.stale for name, age in report.freshness.items())
    texts = [f"{late:,} not up to date" if late else "", f"{new:,} without a value yet" if new else ""]
    return f"{len(report.freshness):,} scheduled, {', '.join(filter(None, texts)) or 'all up to date'}"


def _account_texts(view: AccountView) -> list[str]:
    status: Any = view.status
    closed = f"closed until {_time(status.closed_until)}" if status.closed_until else ""
    usages = [usage for usage in view.usages if usage.window != "minute"]
    used = [f"{usage.used:,} of {counted(usage.limit, 'call')} of the {usage.window}" for usage in usages]
    return [f"key {status.key_state}".replace("_", " "), closed, *used]


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"

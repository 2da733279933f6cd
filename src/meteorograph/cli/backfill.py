"""``meteorograph backfill``: estimate the calls that filling gaps costs, and fill them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from ..model.words import counted
from .options import background_option, json_option, location_option, parse_moment, range_options
from .output import Column, print_json, print_table
from .tasks import add_task

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..healing.backfill_plan import BackfillEstimate, BackfillRequest
    from ..healing.filler import HealingResult

#: Reasons of failures that are printed.
_MAX_REASONS_SHOWN: Final = 5


@click.command()
@location_option
@range_options("all missed slots; with --start all slots without a row")
@click.option("--again", is_flag=True, help="Also slots that are closed as unrecoverable.")
@click.option("--dry-run", is_flag=True, help="Only show what it costs.")
@background_option
@json_option
def backfill(
    location: str | None, start: str | None, end: str | None, again: bool, dry_run: bool, in_background: bool, as_json: bool
) -> None:
    """Fill gaps from providers with a history; exit 1 if something was not filled."""
    from ..config.loading import get_settings
    from ..healing.backfill_plan import BackfillRequest, estimate_backfill, require_history
    from ..model import clock, time_range
    from ..storage.engine import init_db

    now = clock.now()
    since, until = parse_moment("start", start, now), parse_moment("end", end, now)
    if since is not None:
        try:
            time_range.resolve_range(since, until, now, time_range.DEFAULT_RANGE)
        except ValueError as error:
            raise click.UsageError(f"--start {start}: {error}") from None
    settings = get_settings()
    require_history(settings)
    init_db()
    request = BackfillRequest(location, since, min(until or now, now), again)
    estimate = estimate_backfill(settings, request)
    if in_background and (dry_run or as_json):
        raise click.UsageError("--background needs neither --dry-run nor --json: it only adds a task")
    if not as_json:
        _print_estimate(estimate)
    if in_background:
        if estimate.slots:
            add_task("backfill", _arguments(request))
        return
    result = None if dry_run or not estimate.slots else _fill(settings, request, estimate.slots)
    if as_json:
        print_json(_json_fields(estimate, result))
    elif result is not None:
        _print_result(result)
    if (result.filled < estimate.slots) if result is not None else not estimate.is_complete:
        raise SystemExit(1)


def _arguments(request: BackfillRequest) -> dict[str, Any]:
    start = request.start and request.start.isoformat()
    return {"location": request.location, "start": start, "end": request.end.isoformat(), "again": request.again}


def _fill(settings: Settings, request: BackfillRequest, slots: int) -> HealingResult:
    import signal
    import threading

    from ..healing.backfill import run_backfill
    from .progress import CollectionProgress

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with CollectionProgress() as progress:
        result = run_backfill(settings, request, stop, lambda filled, failed: progress.update(slots, filled, failed))
        progress.update(slots, result.filled, result.missing)
    return result


def _print_estimate(estimate: BackfillEstimate) -> None:
    if estimate.first is None or estimate.last is None:
        click.echo("nothing to fill")
        return
    period = f"{estimate.first:%Y-%m-%d %H:%M} to {estimate.last:%Y-%m-%d %H:%M}"
    click.echo(f"{counted(estimate.slots, 'slot')} of {counted(estimate.locations, 'location')} to fill, {period}")
    rows = []
    for account, calls in estimate.calls.items():
        left = ", ".join(
            f"{window.calls:,} of {window.limit:,} left this {window.window}" for window in estimate.budgets[account]
        )
        rows.append((account, counted(calls, "call") + (f"; {left}" if left else "")))
    if rows:
        print_table((Column(), Column(wraps=True)), rows)
    for slots, text in (
        (estimate.out_of_reach, "that no history reaches"),
        (estimate.not_yet, "that no history has yet"),
        (estimate.without_calls, "for which no calls are left now"),
    ):
        if slots:
            click.echo(f"{counted(slots, 'slot')} {text}")


def _print_result(result: HealingResult) -> None:
    from ..redaction import redact

    calls = ", ".join(f"{account} {count:,}" for account, count in result.calls.items())
    click.echo(f"{result.filled:,} filled, {result.empty:,} without data ({result.closed:,} of them closed as unrecoverable)")
    click.echo(f"{result.failed:,} failed, {result.waiting:,} left; calls: {calls or 'none'}")
    for reason in list(result.reasons)[:_MAX_REASONS_SHOWN]:
        click.echo(redact(reason))


def _json_fields(estimate: BackfillEstimate, result: HealingResult | None) -> dict[str, Any]:
    outcome = None
    if result is not None:
        counts = {name: getattr(result, name) for name in ("filled", "empty", "closed", "failed", "waiting")}
        outcome = {**counts, "calls": result.calls, "reasons": list(result.reasons)}
    return {
        "slots": estimate.slots,
        "locations": estimate.locations,
        "from": estimate.first and estimate.first.isoformat(),
        "to": estimate.last and estimate.last.isoformat(),
        "accounts": [
            {
                "account": account,
                "calls": calls,
                "windows": [
                    {"window": window.window, "limit": window.limit, "used": window.used, "left": window.calls}
                    for window in estimate.budgets[account]
                ],
            }
            for account, calls in estimate.calls.items()
        ],
        "out_of_reach": estimate.out_of_reach,
        "not_yet": estimate.not_yet,
        "without_calls": estimate.without_calls,
        "outcome": outcome,
    }

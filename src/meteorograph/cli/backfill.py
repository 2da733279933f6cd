"""``meteorograph backfill``: what filling gaps will cost, and filling them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..healing.backfill_plan import BackfillEstimate
    from ..healing.filler import HealingResult

#: Reasons that are told.
_SHOWN = 5


@click.command()
@click.option("--location", help="Only the location of this name.")
@click.option(
    "--start",
    metavar="TIME",
    help="From then on, also what was before a location was added: an ISO 8601 time (UTC without a zone) or a time back from "
    "now such as 30d [all that was missed].",
)
@click.option("--end", metavar="TIME", help="Up to then: likewise [now].")
@click.option("--again", is_flag=True, help="Also hours that are closed as unrecoverable.")
@click.option("--dry-run", is_flag=True, help="Only say what it will cost.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
def backfill(location: str | None, start: str | None, end: str | None, again: bool, dry_run: bool, as_json: bool) -> None:
    """Fill gaps from providers with a history; exit 1 if something was not filled."""
    from ..config.loading import get_settings
    from ..healing.backfill_plan import BackfillRequest, estimate_backfill, require_history
    from ..model import clock, time_range
    from ..storage.engine import init_db

    now = clock.now()
    since, until = _moment("start", start, now), _moment("end", end, now)
    if since is not None:
        try:
            time_range.resolve_range(since, until, now, time_range.DEFAULT_RANGE)
        except ValueError as error:
            raise click.UsageError(f"--start {start}: {error}") from None
    settings = get_settings()
    require_history(settings)
    init_db()
    wanted = BackfillRequest(location, since, min(until or now, now), again)
    made = estimate_backfill(settings, wanted)
    if not as_json:
        click.echo("\n".join(_lines(made)))
    healed = None if dry_run or not made.slots else _fill(settings, wanted, made.slots)
    if as_json:
        click.echo(json.dumps(_told(made, healed), indent=1))
    elif healed is not None:
        click.echo("\n".join(_outcome(healed)))
    if (healed.filled < made.slots) if healed is not None else not made.is_complete:
        raise SystemExit(1)


def _moment(name: str, text: str | None, now: datetime) -> datetime | None:
    from ..model import time_range

    try:
        return None if text is None else time_range.parse_instant(text, now)
    except ValueError as error:
        raise click.UsageError(f"--{name} {text}: {error}") from None


def _fill(settings: Settings, wanted: Any, slots: int) -> HealingResult:
    import signal
    import threading

    from ..healing.backfill import run_backfill
    from .progress import Progress

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    progress = Progress()
    healed = run_backfill(settings, wanted, stop, lambda filled, failed: progress(slots, filled, failed))
    progress(slots, healed.filled, healed.missing)
    progress.end()
    return healed


def _lines(made: BackfillEstimate) -> Iterator[str]:
    if made.first is None or made.last is None:
        yield "nothing to fill"
        return
    many = "location" if made.locations == 1 else "locations"
    yield f"{made.slots:,} slots of {made.locations:,} {many} to fill, {made.first:%Y-%m-%d %H:%M} to {made.last:%Y-%m-%d %H:%M}"
    width = max(map(len, made.calls), default=0)
    for account, calls in made.calls.items():
        left = ", ".join(f"{one.calls:,} of {one.limit:,} left this {one.window}" for one in made.budgets[account])
        yield f"{account:<{width}}  {calls:,} calls" + (f"; {left}" if left else "")
    for slots, why in (
        (made.out_of_reach, "that no history reaches"),
        (made.not_yet, "that no history has yet"),
        (made.without_calls, "for which no calls are left now"),
    ):
        if slots:
            yield f"{slots:,} slots {why}"


def _outcome(healed: HealingResult) -> Iterator[str]:
    from ..redaction import redact

    calls = ", ".join(f"{account} {many:,}" for account, many in healed.calls.items())
    yield f"{healed.filled:,} filled, {healed.empty:,} without data ({healed.closed:,} of them closed as unrecoverable)"
    yield f"{healed.failed:,} failed, {healed.waiting:,} left; calls: {calls or 'none'}"
    yield from (redact(reason) for reason in list(healed.reasons)[:_SHOWN])


def _told(made: BackfillEstimate, healed: HealingResult | None) -> dict[str, Any]:
    outcome = None
    if healed is not None:
        counts = {name: getattr(healed, name) for name in ("filled", "empty", "closed", "failed", "waiting")}
        outcome = {**counts, "calls": healed.calls, "reasons": list(healed.reasons)}
    return {
        "slots": made.slots,
        "locations": made.locations,
        "from": made.first and made.first.isoformat(),
        "to": made.last and made.last.isoformat(),
        "accounts": [
            {
                "account": account,
                "calls": calls,
                "windows": [
                    {"window": one.window, "limit": one.limit, "used": one.used, "left": one.calls}
                    for one in made.budgets[account]
                ],
            }
            for account, calls in made.calls.items()
        ],
        "out_of_reach": made.out_of_reach,
        "not_yet": made.not_yet,
        "without_calls": made.without_calls,
        "outcome": outcome,
    }

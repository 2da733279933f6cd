"""``meteorograph reparse``: what a parser makes now of payloads that are in the journal."""

from __future__ import annotations

import json
from typing import Any

import click

from .cli_ledger import _period


@click.command()
@click.option("--start", metavar="TIME", help="From then on: an ISO 8601 time, or a time back from now such as 7d [7d].")
@click.option("--end", metavar="TIME", help="Up to then: likewise [now].")
@click.option("--dry-run", is_flag=True, help="Only show the differences.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
def reparse(start: str | None, end: str | None, dry_run: bool, as_json: bool) -> None:
    """Parse journalled payloads again, show the differences and store them; exit 1 if a payload cannot be read."""
    from . import periods
    from .db import init_db
    from .redaction import redact
    from .reparse import reparse as again
    from .settings import get_settings

    since, until = _period(start, end, periods.PERIOD)
    init_db()
    done = again(get_settings(), since, until, apply=not dry_run)
    names = _names({one.location_id for one in done.differences})
    told: list[dict[str, Any]] = [
        {
            "location": names.get(one.location_id, str(one.location_id)),
            "due_at": one.due_at.isoformat(),
            "provider": one.provider,
            "quantity": one.quantity,
            "before": one.before,
            "after": one.after,
        }
        for one in done.differences
    ]
    counts = {"payloads": done.payloads, "rows": len(done.rows), "applied": not dry_run}
    if as_json:
        click.echo(json.dumps({**counts, "differences": told, "unread": done.unread, "refused": done.refused}, indent=1))
    else:
        for one in told:
            what = f"{one['quantity']} {one['before']} -> {one['after']}" if one["quantity"] else "the row is missing"
            click.echo(f"{one['location']}  {one['due_at']}  {one['provider']}  {what}")
        for said, many in done.unread.items():
            click.echo(f"{many} not read: {redact(said)}")
        verb = "would change" if dry_run else "changed"
        click.echo(f"{done.payloads} payloads read again, {len(done.rows)} rows {verb}, {len(told)} differences")
    if done.unread or done.refused:
        raise SystemExit(1)


def _names(ids: set[int]) -> dict[int, str]:
    from .db import get_db_session
    from .heal_book import places

    with get_db_session(read_only=True) as session:
        return {id_: place.name for id_, place in places(session, ids).items()}

"""``meteorograph reparse``: what a parser makes now of payloads that are in the journal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .ledger import _period

if TYPE_CHECKING:
    from ..reparsing.compare import Difference


@click.command()
@click.option("--start", metavar="TIME", help="From then on: an ISO 8601 time, or a time back from now such as 7d [7d].")
@click.option("--end", metavar="TIME", help="Up to then: likewise [now].")
@click.option("--dry-run", is_flag=True, help="Only show the differences.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
def reparse(start: str | None, end: str | None, dry_run: bool, as_json: bool) -> None:
    """Parse journalled payloads again, show the differences and store them; exit 1 if a payload cannot be read."""
    from ..config.loading import get_settings
    from ..model import time_range
    from ..redaction import redact
    from ..reparsing.reparse import reparse as again
    from ..storage.engine import init_db

    since, until = _period(start, end, time_range.DEFAULT_RANGE)
    init_db()
    tell = _JSONLines() if as_json else _Lines()
    done = again(get_settings(), since, until, apply=not dry_run, report=tell)
    if isinstance(tell, _JSONLines):
        tell.end(
            {"payloads": done.payloads, "rows": done.rows, "applied": not dry_run, "unread": done.unread, "refused": done.refused}
        )
    else:
        for said, many in done.unread.items():
            click.echo(f"{many} not read: {redact(said)}")
        for said in done.refused:
            click.echo(f"the database refused a row: {redact(said)}")
        rows = f"{done.rows - len(done.refused):,} rows {'would change' if dry_run else 'changed'}"
        click.echo(f"{done.payloads:,} payloads read again, {rows}, {done.differences:,} differences")
    if done.unread or done.refused:
        raise SystemExit(1)


class _Lines:
    """A line for each difference, as it comes: there may be more than memory holds."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def __call__(self, one: Difference) -> None:
        what = f"{one.quantity} {one.before} -> {one.after}" if one.quantity else "the row is missing"
        click.echo(f"{self.name(one)}  {one.due_at.isoformat()}  {one.provider}  {what}")

    def name(self, one: Difference) -> str:
        """The name of its location."""
        from ..healing.missed_slots import read_locations
        from ..storage.engine import get_db_session

        if one.location_id not in self._names:
            with get_db_session(read_only=True) as session:
                self._names |= {id_: place.name for id_, place in read_locations(session, [one.location_id]).items()}
        return self._names.get(one.location_id, str(one.location_id))


class _JSONLines(_Lines):
    """One JSON object, its differences as they come."""

    _before = '{"differences": [\n'

    def __call__(self, one: Difference) -> None:
        told: dict[str, Any] = {"location": self.name(one), "due_at": one.due_at.isoformat(), "provider": one.provider}
        told |= {"quantity": one.quantity, "before": one.before, "after": one.after}
        click.echo(self._before + json.dumps(told), nl=False)
        self._before = ",\n"

    def end(self, counts: dict[str, Any]) -> None:
        """What follows on the differences."""
        click.echo(("" if self._before == ",\n" else self._before) + "\n], " + json.dumps(counts)[1:])

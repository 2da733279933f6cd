"""``meteorograph reparse``: read journalled payloads with the current parsers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ..model.words import counted
from .options import background_option, json_option, parse_period, range_options
from .tasks import add_task

if TYPE_CHECKING:
    from ..reparsing.compare import Difference


@click.command()
@range_options("7d before the end")
@click.option("--dry-run", is_flag=True, help="Only show the differences.")
@background_option
@json_option
def reparse(start: str | None, end: str | None, dry_run: bool, in_background: bool, as_json: bool) -> None:
    """Parse journalled payloads again and store the differences; exit 1 if a payload cannot be read."""
    from ..background.tasks import this_host
    from ..config.loading import get_settings
    from ..model import time_range
    from ..redaction import redact
    from ..reparsing import reparse as reparsing
    from ..storage.engine import init_db

    since, until = parse_period(start, end, time_range.DEFAULT_RANGE)
    if in_background:
        if dry_run or as_json:
            raise click.UsageError("--background needs neither --dry-run nor --json: it only adds a task")
        has_store = get_settings().journal_store is not None
        return add_task("reparse", {"start": since.isoformat(), "end": until.isoformat()}, anywhere=has_store)
    settings = get_settings()
    init_db()
    printer = _JSONPrinter() if as_json else _LinePrinter()
    done = reparsing.reparse(settings, since, until, apply=not dry_run, report=printer)
    if isinstance(printer, _JSONPrinter):
        printer.end(
            {"payloads": done.payloads, "rows": done.rows, "applied": not dry_run, "unread": done.unread, "refused": done.refused}
        )
    else:
        for reason, count in done.unread.items():
            click.echo(f"{count} not read: {redact(reason)}")
        for reason in done.refused:
            click.echo(f"the database refused a row: {redact(reason)}")
        rows = f"{counted(done.rows - len(done.refused), 'row')} {'would change' if dry_run else 'changed'}"
        click.echo(f"{counted(done.payloads, 'payload')} read again, {rows}, {counted(done.differences, 'difference')}")
    if not done.payloads and settings.journal_days and settings.journal_store is None and this_host() is not None:
        text = (
            f"answers that another host received are in its own {settings.journal_dir}, unless METEOROGRAPH_JOURNAL_STORE is set"
        )
        click.echo(text, err=True)
    if done.unread or done.refused:
        raise SystemExit(1)


class _LinePrinter:
    """Prints a line for each difference at once: all of them may not fit into memory."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def __call__(self, difference: Difference) -> None:
        change = (
            f"{difference.quantity} {difference.before} -> {difference.after}" if difference.quantity else "the row is missing"
        )
        click.echo(f"{self.location_name(difference)}  {difference.due_at.isoformat()}  {difference.provider}  {change}")

    def location_name(self, difference: Difference) -> str:
        """The name of the location, or its id if it was removed."""
        from ..healing.missed_slots import read_locations
        from ..storage.engine import get_db_session

        id_ = difference.location_id
        if id_ not in self._names:
            with get_db_session(read_only=True) as session:
                self._names |= {key: location.name for key, location in read_locations(session, [id_]).items()}
        return self._names.get(id_, str(id_))


class _JSONPrinter(_LinePrinter):
    """Prints one JSON object, its differences one by one."""

    _before = '{"differences": [\n'

    def __call__(self, difference: Difference) -> None:
        fields: dict[str, Any] = {
            "location": self.location_name(difference),
            "due_at": difference.due_at.isoformat(),
            "provider": difference.provider,
            "quantity": difference.quantity,
            "before": difference.before,
            "after": difference.after,
        }
        click.echo(self._before + json.dumps(fields), nl=False)
        self._before = ",\n"

    def end(self, counts: dict[str, Any]) -> None:
        """Print the rest of the object, after the differences."""
        click.echo(("" if self._before == ",\n" else self._before) + "\n], " + json.dumps(counts)[1:])

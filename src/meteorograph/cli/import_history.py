"""``meteorograph import``: history from files and from databases of other programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..model.words import counted
from .import_options import csv_options, parse_layout, provider_name, require_csv
from .import_preview import preview_object, print_preview
from .options import json_option
from .output import complain, print_json

if TYPE_CHECKING:
    from ..importing.entries import RefusedRow
    from ..importing.plan import ImportPlan
    from ..importing.storing import StoredCounts


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--location", metavar="NAME", help="Location of the rows; it must exist.")
@click.option("--name", metavar="TEXT", help="Name of the source: the rows have the provider import:TEXT [the format].")
@csv_options()
@click.option("--skip-bad", is_flag=True, help="Import without the rows that are refused; still exit 1.")
@click.option("--yes", is_flag=True, help="Store the rows. Without it they are shown, and a terminal asks.")
@json_option
def import_history(
    file: Path, location: str | None, name: str | None, skip_bad: bool, yes: bool, as_json: bool, **options: Any
) -> None:
    """Import history from FILE: show what would be stored, and store it with --yes.

    A slot that has a row keeps it, so that an import can be interrupted and repeated.
    """
    from ..importing.plan import make_plan
    from ..importing.sources import ImportFormat, ImportOptions, detect_format, open_source
    from ..model import clock
    from ..storage.engine import init_db

    layout = parse_layout(options)
    format = detect_format(file)
    if format is ImportFormat.CSV:
        require_csv(layout, location)
    init_db()
    now = clock.now()
    with open_source(file, format, ImportOptions(provider_name(name or format), now, layout)) as source:
        word = source.line_word

        def report(row: RefusedRow) -> None:
            complain(f"{file} {word} {row.line}: {row.reason}")

        plan = make_plan(source, location, now, report)
    _finish(file, plan, skip_bad=skip_bad, yes=yes, as_json=as_json)


def _finish(file: Path, plan: ImportPlan, *, skip_bad: bool, yes: bool, as_json: bool) -> None:
    """Show a plan, store its rows if the user wants it, and say what was done."""
    if not as_json:
        print_preview(plan)
    is_refused = plan.refused_count > 0 and not skip_bad
    result = None
    if not is_refused and plan.total.new and (yes or (not as_json and _confirm(plan))):
        result = _store(plan)
    for row in result.refused if result else ():
        complain(f"{file} {plan.source.line_word} {row.line}: {row.reason}")
    refused = plan.refused_count + (len(result.refused) if result else 0)
    if as_json:
        print_json({**preview_object(plan), "stored": 0 if result is None else result.new})
    else:
        click.echo()
        click.echo(_outcome(plan, result, is_refused=is_refused))
    if refused:
        rows = f"{refused} {'row is' if refused == 1 else 'rows are'} refused"
        complain(f"{rows}: nothing was stored; --skip-bad imports the others" if is_refused else f"{rows} and left out")
        raise SystemExit(1)


def _store(plan: ImportPlan) -> StoredCounts:
    from ..importing.plan import execute_plan
    from .progress import show_bar

    with show_bar("storing") as show:
        return execute_plan(plan, show)


def _confirm(plan: ImportPlan) -> bool:
    if not sys.stdin.isatty():
        return False
    click.echo()
    return click.confirm(f"Store {counted(plan.total.new, 'row')}? Compare units, one day and the months first")


def _outcome(plan: ImportPlan, result: StoredCounts | None, *, is_refused: bool) -> str:
    if result is not None:
        return f"stored {counted(result.new, 'row')}"
    if is_refused:
        return "nothing was stored"
    return "nothing was stored: --yes stores the rows" if plan.total.new else "nothing to store"

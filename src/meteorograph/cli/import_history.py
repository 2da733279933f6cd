"""``meteorograph import``: history from files and from databases of other programs."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ..model.words import counted
from .import_options import (
    check_format,
    csv_options,
    parse_layout,
    parse_script,
    parse_statistics,
    provider_name,
    source_options,
)
from .import_preview import preview_object, print_preview
from .options import json_option
from .output import complain, print_json

if TYPE_CHECKING:
    from ..importing.entries import RefusedRow
    from ..importing.plan import ImportPlan
    from ..importing.storing import StoredCounts

#: Refused rows that are printed.
_MAX_LINES: Final = 50


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--location", metavar="NAME", help="Location of the rows; it must exist.")
@click.option("--name", metavar="TEXT", help="Name of the source: the rows have the provider import:TEXT [the format].")
@csv_options()
@source_options()
@click.option("--allow-unit-changes", is_flag=True, help="Import although the unit of a quantity seems to change.")
@click.option("--skip-bad", is_flag=True, help="Import without the rows that are refused; still exit 1.")
@click.option("--yes", is_flag=True, help="Store the rows. Without it they are shown, and a terminal asks.")
@json_option
def import_history(
    file: Path,
    location: str | None,
    name: str | None,
    allow_unit_changes: bool,
    skip_bad: bool,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Import history from FILE: show what would be stored, and store it with --yes.

    FILE is a CSV file, an export, or the database of WeeWX or Home Assistant, an hourly file of Meteostat, or the database of a
    script. A slot that has a row keeps it, so that an import can be interrupted and repeated.
    """
    from ..config.loading import get_settings
    from ..importing.keys import write_keys
    from ..importing.plan import make_plan
    from ..importing.sources import ImportFormat, ImportOptions, detect_format, open_source
    from ..logs import setup_logging
    from ..model import clock
    from ..storage.engine import init_db
    from .progress import show_count

    if not file.is_file():
        raise click.UsageError(f"FILE {file}: must be an existing file")
    layout = parse_layout(options)
    statistics, script = parse_statistics(options["statistics"]), parse_script(options, layout.zone, location)
    format = ImportFormat(options["format"]) if options["format"] else detect_format(file)
    check_format(format, layout, location, script)
    provider = provider_name(name, format)
    settings = get_settings()
    setup_logging(settings if "log_level" in settings.model_fields_set else settings.model_copy(update={"log_level": "ERROR"}))
    init_db()
    now = clock.now()
    wanted = ImportOptions(provider, now, layout, script, statistics, options["with_model"])
    with open_source(file, format, wanted) as source:
        numbers = count(1)

        def report(row: RefusedRow) -> None:
            number = next(numbers)
            if number <= _MAX_LINES:
                complain(f"{file} {source.line_word} {row.line}: {row.reason}")

        with show_count("read", "rows") as show:
            plan = make_plan(source, location, now, report, show)
    if options["keys"] is not None:
        write_keys(plan, options["keys"])
    is_stopped = bool(plan.unit_changes) and not allow_unit_changes
    _finish(file, plan, is_stopped=is_stopped, skip_bad=skip_bad, yes=yes, as_json=as_json)


def _finish(file: Path, plan: ImportPlan, *, is_stopped: bool, skip_bad: bool, yes: bool, as_json: bool) -> None:
    """Show a plan, store its rows if the user wants it, and say what was done; exit 1 if something was refused."""
    if not as_json:
        print_preview(plan)
    is_refused = plan.refused_count > 0 and not skip_bad
    result = None
    if not is_refused and not is_stopped and plan.total.new and (yes or (not as_json and _confirm(plan))):
        result = _store(plan)
    if as_json:
        print_json({**preview_object(plan), "stored": 0 if result is None else result.new})
    else:
        click.echo()
        click.echo(_outcome(plan, result, is_blocked=is_refused or is_stopped))
    _complain(file, plan, result, is_stopped=is_stopped, is_refused=is_refused)


def _complain(file: Path, plan: ImportPlan, result: StoredCounts | None, *, is_stopped: bool, is_refused: bool) -> None:
    """Say on stderr what was refused, and exit with 1 if something was."""
    word = plan.source.line_word
    for row in result.refused if result else ():
        complain(f"{file} {word} {row.line}: {row.reason}")
    for change in plan.unit_changes if is_stopped else ():
        before, after = (
            f"{word} {row.line} ({getattr(row.observation, change.quantity):g})" for row in (change.before, change.after)
        )
        complain(
            f"{file}: the unit of {change.quantity} seems to change between {before} and {after}, by {change.factor}: "
            "nothing was stored; --allow-unit-changes imports it as it is"
        )
    if plan.refused_count > _MAX_LINES:
        complain(f"and {counted(plan.refused_count - _MAX_LINES, 'more row')}; --json lists the first 1,000")
    refused = plan.refused_count + (len(result.refused) if result else 0)
    if refused:
        rows = f"{refused} {'row is' if refused == 1 else 'rows are'} refused"
        complain(f"{rows}: nothing was stored; --skip-bad imports the others" if is_refused else f"{rows} and left out")
    if refused or is_stopped:
        raise SystemExit(1)


def _store(plan: ImportPlan) -> StoredCounts:
    from ..importing.plan import execute_plan
    from .progress import show_bar

    try:
        with show_bar("storing") as show:
            return execute_plan(plan, show)
    except KeyboardInterrupt:
        complain("interrupted: the rows that are stored stay, and the same command stores the others")
        raise SystemExit(130) from None


def _confirm(plan: ImportPlan) -> bool:
    if not sys.stdin.isatty():
        return False
    click.echo()
    return click.confirm(f"Store {counted(plan.total.new, 'row')}? Compare units, one day and the months first")


def _outcome(plan: ImportPlan, result: StoredCounts | None, *, is_blocked: bool) -> str:
    if result is not None:
        return f"stored {counted(result.new, 'row')}"
    if is_blocked:
        return "nothing was stored"
    return "nothing was stored: --yes stores the rows" if plan.total.new else "nothing to store"

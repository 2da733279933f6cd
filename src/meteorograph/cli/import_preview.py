"""Shows what an import would store."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final

import click

from ..model.words import counted
from .output import Column, print_table

if TYPE_CHECKING:
    from ..importing.plan import ImportPlan
    from ..importing.preview import LocationPreview
    from ..model.precipitation_totals import Total

#: Rows of the day that is shown, and locations that are shown in full.
_MAX_DAY_ROWS: Final = 24
_MAX_LOCATIONS: Final = 3
#: Rows that share a slot, and are listed; ``--keys`` has all.
_MAX_REPEATS: Final = 5


def print_preview(plan: ImportPlan) -> None:
    """Print the rows, the units, a day and the precipitation of each month."""
    for preview in plan.previews:
        zone = preview.zone
        first, last = (_time_text(at, zone) for at in (preview.first, preview.last))
        click.echo(f"{preview.name}: {counted(preview.rows, 'row')}, {first} to {last} ({zone})")
    total = plan.total
    click.echo(f"{total.new:,} new, {total.imported:,} imported before, {total.kept:,} kept as the service has them")
    if plan.repeated:
        click.echo(f"{counted(plan.repeated, 'row')} that the file has twice")
    for text, cases in plan.source.notes.items():
        click.echo(f"{text}: {cases:,}" if cases else text)
    for repeat in plan.repeats[:_MAX_REPEATS]:
        click.echo(f"  {plan.source.line_word} {repeat.line} has the slot of {plan.source.line_word} {repeat.first_line}")
    if plan.source.samples:
        click.echo()
        rows = [(sample.column, sample.given, sample.stored) for sample in plan.source.samples.values()]
        print_table((Column("column"), Column("first value"), Column("stored")), rows)
    for preview in plan.previews[:_MAX_LOCATIONS]:
        _print_months(preview)
        _print_day(preview)
    if len(plan.previews) > _MAX_LOCATIONS:
        click.echo(f"\nand {counted(len(plan.previews) - _MAX_LOCATIONS, 'location')} more; --json has all")


def _print_months(preview: LocationPreview) -> None:
    click.echo()
    columns = (
        Column(f"{preview.name}, month"),
        Column("rows", is_number=True),
        Column("precipitation [mm]", is_number=True),
        Column("hours covered", is_number=True),
        Column("of unknown period", is_number=True),
    )
    rows = [
        (
            f"{month.start.astimezone(preview.zone):%Y-%m}",
            f"{month.rows:,}",
            _amount_text(month.precipitation),
            f"{month.precipitation.covered_seconds / 3600:,.1f}" if month.precipitation.covered_seconds else "",
            f"{month.precipitation.unknown:,}" if month.precipitation.unknown else "",
        )
        for month in preview.months
    ]
    print_table(columns, rows)


def _print_day(preview: LocationPreview) -> None:
    """Print the day with the most precipitation: it shows whether amounts are amounts, or a counter."""
    names = list(preview.values)
    columns = (
        Column(f"{preview.day} ({preview.zone})"),
        *(Column(name, is_number=True) for name in names),
        Column("period", is_number=True),
    )
    first_wet = next((index for index, row in enumerate(preview.day_rows) if row.observation.precipitation), 0)
    start = max(0, min(first_wet - 2, len(preview.day_rows) - _MAX_DAY_ROWS))
    rows = []
    for row in preview.day_rows[start : start + _MAX_DAY_ROWS]:
        values = (getattr(row.observation, name) for name in names)
        period = row.observation.precipitation_period
        cells = ("" if value is None else f"{value:g}" for value in values)
        rows.append((_time_text(row.due_at, preview.zone)[11:], *cells, f"{period} s" if period else ""))
    click.echo()
    print_table(columns, rows)
    if len(preview.day_rows) > _MAX_DAY_ROWS:
        click.echo(f"and {counted(len(preview.day_rows) - _MAX_DAY_ROWS, 'row')} more of this day")
    if preview.day_total is not None and preview.day_total.amount is not None:
        click.echo(f"precipitation of this day: {preview.day_total.amount:g} mm")


def _amount_text(total: Total) -> str:
    return "" if total.amount is None else f"{total.amount:,.1f}"


def _time_text(at: datetime, zone: tzinfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M}" + (f":{local:%S}" if local.second else "")


def preview_object(plan: ImportPlan) -> dict[str, Any]:
    """The preview as a JSON object."""
    total = plan.total
    return {
        "new": total.new,
        "imported_before": total.imported,
        "kept": total.kept,
        "repeated": plan.repeated,
        "refused": plan.refused_count,
        "refused_rows": [{plan.source.line_word: row.line, "reason": row.reason} for row in plan.refused],
        "notes": plan.source.notes,
        "samples": [sample._asdict() for sample in plan.source.samples.values()],
        "locations": [_location_object(preview) for preview in plan.previews],
    }


def _location_object(preview: LocationPreview) -> dict[str, Any]:
    return {
        "location": preview.name,
        "zone": str(preview.zone),
        "rows": preview.rows,
        "first": preview.first.isoformat(),
        "last": preview.last.isoformat(),
        "values": preview.values,
        "months": [
            {
                "month": f"{month.start.astimezone(preview.zone):%Y-%m}",
                "rows": month.rows,
                "precipitation": month.precipitation.amount,
                "covered_seconds": month.precipitation.covered_seconds,
                "unknown_count": month.precipitation.unknown,
            }
            for month in preview.months
        ],
    }

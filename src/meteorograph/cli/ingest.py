"""``meteorograph ingest``: collect now."""

from __future__ import annotations

import json
from typing import Any

import click

from ..errors import ConfigurationError, MeteorographError
from .output import Column, print_table, report_error


@click.command()
@click.option("--lat", type=float, help="Latitude [degree north].")
@click.option("--lon", type=float, help="Longitude [degree east].")
@click.option("--location", "names", multiple=True, help="Name of a location; repeatable.")
@click.option("--all", "is_all", is_flag=True, help="All active locations, with progress on stderr.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def ingest(lat: float | None, lon: float | None, names: tuple[str, ...], is_all: bool, as_json: bool) -> None:
    """Collect now and print the stored values: a point, locations by name, all, or the default place."""
    from ..collecting.on_demand import ingest_data, ingest_location
    from .ingest_all import ingest_all

    if bool(names) + is_all + (lat is not None or lon is not None) > 1:
        raise click.UsageError("use only one of --lat with --lon, --location, and --all")
    _quiet_logging()
    if is_all:
        raise SystemExit(ingest_all(as_json=as_json))
    has_failed = False
    for name in names or (None,):
        try:
            row = ingest_location(name) if name is not None else ingest_data(lat, lon)
        except ConfigurationError:
            raise
        except MeteorographError as error:
            has_failed = True
            report_error(error, str(error))
            continue
        if as_json:
            click.echo(json.dumps(row, ensure_ascii=False))
        else:
            _print_row(row)
    if has_failed:
        raise SystemExit(1)


def _print_row(row: dict[str, Any]) -> None:
    from ..reading.rows import UNITS

    cells = [
        (name, f"{_plain_text(value)} {UNITS.get(name, '').removeprefix('1')}".rstrip())
        for name, value in row.items()
        if value is not None and name != "location_id"
    ]
    print_table((Column(), Column(wraps=True)), cells)


def _plain_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _quiet_logging() -> None:
    """Log only warnings unless ``LOG_LEVEL`` is set: the command prints its result itself."""
    from ..config.loading import load_settings
    from ..logs import setup_logging

    settings = load_settings()
    setup_logging(settings if "log_level" in settings.model_fields_set else settings.model_copy(update={"log_level": "WARNING"}))

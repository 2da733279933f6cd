"""The command line. Exit codes: 0 done, 1 something was not collected or does not hold, 2 wrong usage or configuration."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigurationError, MeteorographError
from ..redaction import redact
from ..version import __version__
from . import backfill, export, ledger, locations, plan, reparse


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="meteorograph", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Collect the weather of many places on a schedule into your own database.

    Settings come from the environment and .env; docs/settings.md lists them.
    """


@cli.command()
@click.option("--host", help="Address to listen on [HOST, 127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on [PORT, 8000]; 0 takes a free one.")
@click.option("--demo", is_flag=True, help="Run on the built-in simulator, with twelve cities and a database of its own.")
@click.option("--demo-without-key", is_flag=True, help="The same, but only when no API key is set.")
@click.option("--no-scheduler", is_flag=True, help="Serve what is stored, collect nothing.")
@click.option("--no-web", is_flag=True, help="Collect, serve nothing: that is left to other processes.")
def serve(host: str | None, port: int | None, demo: bool, demo_without_key: bool, no_scheduler: bool, no_web: bool) -> None:
    """Web server, scheduler and collector in one process."""
    from ..config.loading import load_settings
    from ..server.serve import collect_forever
    from ..server.serve import serve as serve_forever

    if no_web:
        if no_scheduler or demo or demo_without_key or host or port is not None:
            raise click.UsageError("--no-web goes with no other option")
        collect_forever(load_settings(scheduler_enabled=True))
        return
    given: dict[str, Any] = {"host": host, "port": port, "scheduler_enabled": False if no_scheduler else None}
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    serve_forever(settings, demo=demo, demo_without_key=demo_without_key)


@cli.command()
@click.option("--lat", type=float, help="Latitude [degree north].")
@click.option("--lon", type=float, help="Longitude [degree east].")
@click.option("--location", "names", multiple=True, help="Name of a location; may be given several times.")
@click.option("--all", "everything", is_flag=True, help="Every active location, with its progress on stderr.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def ingest(lat: float | None, lon: float | None, names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Collect now and print what was stored: a point, locations by name, all of them, or the default place."""
    from ..collecting.on_demand import ingest_data, ingest_location
    from .ingest import ingest_all

    if bool(names) + everything + (lat is not None or lon is not None) > 1:
        raise click.UsageError("--lat and --lon, --location and --all do not go together")
    _quiet_logging()
    if everything:
        raise SystemExit(ingest_all(as_json=as_json))
    failed = False
    for name in names or (None,):
        try:
            stored = ingest_location(name) if name is not None else ingest_data(lat, lon)
        except ConfigurationError:
            raise
        except MeteorographError as error:
            failed = True
            _tell(error, str(error))
            continue
        click.echo(json.dumps(stored, ensure_ascii=False) if as_json else _table(stored))
    if failed:
        raise SystemExit(1)


cli.add_command(locations.locations)
cli.add_command(export.export)
cli.add_command(ledger.runs)
cli.add_command(ledger.gaps)
cli.add_command(ledger.coverage)
cli.add_command(backfill.backfill)
cli.add_command(reparse.reparse)
cli.add_command(plan.plan)
cli.add_command(plan.check_keys)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8001, show_default=True, help="0 takes a free one.")
@click.option("--key", "keys", multiple=True, default=("demo",), show_default=True, help="A key it accepts; several are fine.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, another weather.")
@click.option("--latency-ms", type=click.IntRange(0), default=0, show_default=True)
@click.option("--faults", default="", metavar="SPEC", help="What goes wrong, and when: see docs/simulator.md.")
@click.option("--replay", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="CSV", help="Real hours instead.")
def simulate(host: str, port: int, keys: tuple[str, ...], seed: int, latency_ms: int, faults: str, replay: Path | None) -> None:
    """A server that answers as the providers do."""
    from ..simulator import Simulator

    spec = "; ".join(part for part in (f"kind=latency ms={latency_ms}" if latency_ms else "", faults) if part)
    with Simulator(host=host, port=port, keys=keys, seed=seed, faults=spec, replay=replay) as simulator:
        click.echo(f"simulating OpenWeatherMap and Weatherstack on {simulator.url}; to collect from it:")
        for name, value in (
            ("OWM_API_KEY", keys[0]),
            ("WEATHERSTACK_API_KEY", keys[0]),
            ("METEOROGRAPH_OWM_BASE_URL", simulator.url),
            ("METEOROGRAPH_WEATHERSTACK_BASE_URL", simulator.url),
        ):
            click.echo(f"export {name}={value}")
        _wait_for_the_end()


@cli.group()
def db() -> None:
    """The database's schema."""


@db.command()
def upgrade() -> None:
    """Apply the migrations that are missing."""
    from ..storage.engine import init_db

    before = _revision()
    init_db()
    after = _revision()
    click.echo(f"{_database()}: {after}" + (" already" if before == after else f", was {before or 'empty'}"))


@db.command()
def current() -> None:
    """Show the schema's revision; exit 1 if it is not the newest."""
    from ..storage import migrations

    found, newest = _revision(), migrations.newest_revision()
    click.echo(
        f"{_database()}: {found or 'empty'}{'' if found == newest else f', newest is {newest}: run meteorograph db upgrade'}"
    )
    if found != newest:
        raise SystemExit(1)


def _revision() -> str | None:
    from sqlalchemy.exc import DBAPIError

    from ..errors import StoreError
    from ..storage import migrations
    from ..storage.engine import get_engine

    try:
        return migrations.current_revision(get_engine())
    except DBAPIError as error:
        raise StoreError(f"the database {_database()} cannot be used: {error.orig}") from error


def _database() -> str:
    """The database in force as a user writes it, without its password."""
    from ..storage.engine import get_engine

    url = get_engine().url
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def _table(stored: dict[str, Any]) -> str:
    from ..reading.rows import UNITS

    told = {name: value for name, value in stored.items() if value is not None and name != "location_id"}
    width = max(len(name) for name in told)
    return "\n".join(f"{name:<{width}}  {_plain(value)} {UNITS.get(name, '')}".rstrip() for name, value in told.items())


def _plain(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _quiet_logging() -> None:
    """Only warnings, unless the user asked for a level: the result is on stdout already."""
    from ..config.loading import load_settings
    from ..logs import setup_logging

    settings = load_settings()
    setup_logging(settings if "log_level" in settings.model_fields_set else settings.model_copy(update={"log_level": "WARNING"}))


def _wait_for_the_end() -> None:
    import signal
    import threading

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()


def _complain(line: str) -> None:
    click.echo(f"meteorograph: {redact(' '.join(line.split()))}", err=True)


def _tell(error: Exception, line: str) -> None:
    """An error in one line, behind its traceback if that is asked for."""
    if "--debug" in sys.argv[1:2]:
        click.echo(redact("".join(traceback.format_exception(error))), err=True)
    _complain(line)


def main() -> None:
    """Run the command line; errors are one line on stderr."""
    code: object
    try:
        code = cli.main(standalone_mode=False)
    except SystemExit as ended:
        code = ended.code
    except click.exceptions.Abort:
        code = 130
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = error.exit_code
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        _complain(f"{error.format_message()} (see {context.command_path if context else 'meteorograph'} --help)")
        code = error.exit_code
    except (MeteorographError, ValueError, OSError) as error:
        _tell(error, str(error))
        code = 2 if isinstance(error, ValueError) else 1
    except Exception as error:
        _tell(error, f"unexpected {type(error).__name__}: {error} (meteorograph --debug shows where)")
        code = 1
    sys.exit(code if isinstance(code, int) else 0)

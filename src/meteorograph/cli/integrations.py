"""``meteorograph integrations``: what is sent to MQTT, InfluxDB and Telegraf."""

from __future__ import annotations

from datetime import timedelta

import click

from ..model.words import counted
from .groups import Group
from .options import json_option, location_option, parse_period, range_options
from .output import Column, print_json, print_table
from .sessions import open_session

_COLUMNS = (
    Column("integration"),
    Column("state", is_state=True),
    Column("waiting", is_number=True),
    Column("sent", is_number=True),
    Column("refused", is_number=True),
    Column("last reason", wraps=True),
)


@click.group(cls=Group)
def integrations() -> None:
    """Show, repeat and end what is sent to other programs (docs/integrations.md)."""


@integrations.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the integrations that a process has been set up with: how many rows wait, and what failed."""
    from ..storage.outbox import read_states
    from ..web.integration_state import integration_object

    with open_session(read_only=True) as session:
        states = read_states(session)
    if as_json:
        print_json({state.record.name: integration_object(state) for state in states})
    elif states:
        rows = []
        for state in states:
            one = state.record
            word = "failing" if one.failing_since else "ok"
            counts = (f"{number:,}" for number in (state.waiting, one.sent, one.refused))
            rows.append((one.name, word, *counts, one.failure or one.refusal or ""))
        print_table(_COLUMNS, rows)
    else:
        click.echo("No integration has been set up: docs/integrations.md tells how.")


@integrations.command()
@click.argument("name")
@location_option
@range_options("all rows")
def resend(name: str, location: str | None, start: str | None, end: str | None) -> None:
    """Send stored rows to the integration NAME again, such as those from before it was set up."""
    from ..reading.rows import find_location
    from ..storage.outbox import mark_again, read_states

    began, ended = parse_period(start, end, timedelta(days=365 * 100))
    with open_session() as session:
        _require(name, [state.record.name for state in read_states(session)])
        location_id = None if location is None else find_location(session, location)[0]
        count = mark_again(session, name, began, ended, location_id)
    click.echo(f"{counted(count, 'row')} {'waits' if count == 1 else 'wait'} for {name}: a running service sends them")


@integrations.command()
@click.argument("name")
def remove(name: str) -> None:
    """Forget the integration NAME and the rows that wait for it; remove its settings first, or it is there again."""
    from ..storage.outbox import read_states, unsubscribe

    with open_session() as session:
        _require(name, [state.record.name for state in read_states(session)])
        unsubscribe(session, name)
    click.echo(f"removed {name}")


def _require(name: str, names: list[str]) -> None:
    if name not in names:
        raise click.UsageError(f"NAME {name}: must be one of {', '.join(names)}" if names else "no integration has been set up")

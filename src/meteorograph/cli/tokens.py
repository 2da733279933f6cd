"""``meteorograph tokens``: who may use the HTTP interface."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from ..model.states import TokenScope
from .groups import Group
from .options import json_option
from .output import Column, complain, print_json, print_table
from .sessions import open_session

_COLUMNS = (
    Column("name", wraps=True),
    Column("scopes"),
    Column("created (UTC)"),
    Column("expires"),
    Column("state", is_state=True),
)


@click.group(cls=Group)
def tokens() -> None:
    """Add, list and revoke tokens for the HTTP interface."""


@tokens.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in TokenScope]),
    multiple=True,
    required=True,
    help="What it allows; repeatable.",
)
@click.option(
    "--expires",
    metavar="TIME",
    help="When it stops to work: a duration such as 90d, or an ISO 8601 time, also with the name of a zone [never].",
)
def add(name: str, scopes: tuple[str, ...], expires: str | None) -> None:
    """Add a token and print it. It cannot be shown again: the database has only its digest."""
    from ..model import clock
    from ..storage.tokens import add_token

    if not 1 <= len(name) <= 100 or not name.isprintable() or not name.strip():
        raise click.UsageError(f"NAME {name!r}: must be 1 to 100 printable characters, not only spaces")
    now = clock.now()
    expires_at = _parse_expiry(expires, now)
    with open_session() as session:
        text = add_token(session, name, [TokenScope(scope) for scope in scopes], now, expires_at)
    click.echo(text)
    complain(f"send it as 'Authorization: Bearer TOKEN'; it is shown only once, and expires {_day(expires_at)}")


@tokens.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the tokens of the database; those of METEOROGRAPH_API_TOKENS are not in it."""
    from ..model import clock
    from ..storage.tokens import list_tokens

    now = clock.now()
    with open_session(read_only=True) as session:
        found = list_tokens(session)
    if as_json:
        print_json([_object(token, now) for token in found])
    elif found:
        rows = [(token.name, token.scopes, f"{token.created_at:%Y-%m-%d %H:%M}", _day(token.expires_at)) for token in found]
        print_table(_COLUMNS, [(*row, _state(token, now)) for row, token in zip(rows, found, strict=True)])
    else:
        click.echo("There are no tokens: add one with meteorograph tokens add NAME --scope read.")


@tokens.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Delete a token; it stops to work at once."""
    from ..storage.tokens import has_tokens, revoke_token

    with open_session() as session:
        revoke_token(session, name)
        is_last = not has_tokens(session)
    click.echo(f"revoked {name}")
    if is_last:
        complain("that was the last token of the database: without tokens, everyone who reaches the server may do everything")


def _parse_expiry(text: str | None, now: datetime) -> datetime | None:
    from ..model.time_range import parse_duration, parse_time

    if text is None:
        return None
    try:
        moment = parse_time(text) if "-" in text else now + parse_duration(text)
    except (ValueError, OverflowError):
        raise click.UsageError(f"--expires {text}: must be a duration such as 90d, or an ISO 8601 time") from None
    if moment <= now:
        raise click.UsageError(f"--expires {text}: must be in the future")
    return moment


def _day(expires_at: datetime | None) -> str:
    return "never" if expires_at is None else f"{expires_at:%Y-%m-%d %H:%M}"


def _state(token: Any, now: datetime) -> str:
    return "expired" if token.expires_at is not None and token.expires_at <= now else "active"


def _object(token: Any, now: datetime) -> dict[str, Any]:
    return {
        "name": token.name,
        "scopes": token.scopes.split(),
        "created_at": token.created_at.isoformat(),
        "expires_at": token.expires_at and token.expires_at.isoformat(),
        "state": _state(token, now),
    }

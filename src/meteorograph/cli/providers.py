"""``meteorograph providers``: which providers are closed and why, and how to open them again."""

from __future__ import annotations

from typing import Any

import click

from .groups import Group
from .options import json_option
from .output import Column, complain, print_json, print_table
from .sessions import open_session

_COLUMNS = (
    Column("provider"),
    Column("key", is_state=True),
    Column("closed until (UTC)"),
    Column("reason", wraps=True),
)


@click.group(cls=Group)
def providers() -> None:
    """List the providers and their state, and open closed ones again."""


@providers.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the configured providers: the state of their key, until when they are closed, and why."""
    from ..accounts.account_state import account_status
    from ..collecting.key_check import KEY_STATE_TEXTS
    from ..config.loading import get_settings
    from ..model import clock

    settings, now = get_settings(), clock.now()
    with open_session(read_only=True) as session:
        found = {name: account_status(session, name, settings.key(name), now) for name in settings.named_providers}
    if as_json:
        print_json([_object(name, status) for name, status in found.items()])
        return
    rows = [
        (
            name,
            KEY_STATE_TEXTS[status.key_state],
            f"{status.closed_until:%Y-%m-%d %H:%M:%S}" if status.closed_until else "",
            status.reason if status.closed_until and status.reason else "",
        )
        for name, status in found.items()
    ]
    print_table(_COLUMNS, rows)


@providers.command()
@click.argument("name")
def reopen(name: str) -> None:
    """Let a closed provider be called again at once; exit 1 if it is not closed."""
    from ..accounts import account_state
    from ..config.provider_settings import ACCOUNTS
    from ..storage.engine import init_db

    if name not in ACCOUNTS:
        raise click.UsageError(f"NAME {name}: must be one of {', '.join(ACCOUNTS)}")
    init_db()
    if not account_state.reopen(name):
        complain(f"{name} is not closed")
        raise SystemExit(1)
    click.echo(f"{name} is open: it is called in the next slot, or by meteorograph check-keys")


def _object(name: str, status: Any) -> dict[str, Any]:
    return {
        "provider": name,
        "key_state": status.key_state,
        "closed_until": status.closed_until and status.closed_until.isoformat(),
        "reason": status.reason,
    }

"""``meteorograph jobs``: what waits for a process, and what is in progress."""

from __future__ import annotations

from typing import Final

import click

from .options import json_option
from .output import Column, print_json, print_table
from .sessions import open_session

_COLUMNS: Final = (
    Column("queue"),
    *(Column(title, is_number=True) for title in ("waiting", "running", "failed", "lag", "retries")),
)


@click.command()
@json_option
def jobs(as_json: bool) -> None:
    """Show what waits for a process: shards of large runs, or the queues of Procrastinate."""
    from ..config.loading import get_settings
    from ..ledger.queue_counts import read_queues
    from ..model import clock

    with open_session(read_only=True) as session:
        queues = read_queues(session, clock.now())
    if as_json:
        print_json({"engine": get_settings().engine, "queues": [queue._asdict() for queue in queues]})
        return
    rows = [
        (
            queue.queue,
            str(queue.waiting),
            str(queue.running),
            str(queue.failed),
            "" if queue.lag_seconds is None else f"{queue.lag_seconds:.0f} s",
            str(queue.retries),
        )
        for queue in queues
    ]
    print_table(_COLUMNS, rows)

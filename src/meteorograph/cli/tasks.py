"""``meteorograph tasks``: long work that the service does in the background."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from .groups import Group
from .options import json_option
from .output import Column, complain, print_json, print_table
from .sessions import open_session

if TYPE_CHECKING:
    from ..storage.models import BackgroundTask

_COLUMNS: Final = (
    Column("id", is_number=True),
    Column("task", wraps=True),
    Column("added (UTC)"),
    Column("state", is_state=True),
    Column("done", wraps=True),
    Column("result", wraps=True),
)


@click.group(cls=Group)
def tasks() -> None:
    """List and cancel what backfill, reparse and export do in the background."""


@tasks.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Number of the newest tasks.")
@json_option
def list_command(limit: int, as_json: bool) -> None:
    """List the newest background tasks; ended ones are kept for 30 days."""
    from ..background.tasks import list_tasks
    from ..web.task_objects import task_object

    with open_session(read_only=True) as session:
        found, _ = list_tasks(session, limit)
    if as_json:
        print_json([task_object(task) for task in found])
    elif found:
        print_table(_COLUMNS, [_row(task) for task in found])
    else:
        click.echo("no background tasks")


@tasks.command()
@click.argument("task", type=int, metavar="ID")
def cancel(task: int) -> None:
    """Cancel a task; one that runs ends within seconds, and what it has stored stays."""
    from ..background import tasks as store

    with open_session() as session:
        is_cancelled = store.cancel(session, task)
    if not is_cancelled:
        complain(f"{task}: no background task of this id waits or runs")
        raise SystemExit(1)
    click.echo(f"task {task} is cancelled")


def add_task(kind: str, arguments: Mapping[str, Any], *, anywhere: bool = False) -> None:
    """Add a task, and say who does it; one that is done ``anywhere`` needs no files of this host."""
    from ..background import tasks as store
    from ..background.descriptions import DESCRIPTIONS

    host = store.this_host() if DESCRIPTIONS[kind].is_of_host and not anywhere else None
    with open_session() as session:
        number = store.add_task(session, kind, arguments, host=host)
    where = f" on {host}" if host else ""
    click.echo(f"task {number} waits: a process of the service{where} begins within seconds; see meteorograph tasks list")


def _row(task: BackgroundTask) -> tuple[str, ...]:
    from ..background.descriptions import DESCRIPTIONS, arguments_text

    done = "" if task.total is None else f"{task.done:,} of {task.total:,} {DESCRIPTIONS[task.kind].unit}"
    counts = ", ".join(f"{name.replace('_', ' ')} {number:,}" for name, number in json.loads(task.counts).items())
    wait = None if task.retry_at is None else f"again at {task.retry_at:%H:%M}"
    here = None if task.host is None or task.ended_at is not None else f"on {task.host}"
    return (
        str(task.id),
        f"{task.kind}: {arguments_text(json.loads(task.arguments))}",
        f"{task.created_at:%Y-%m-%d %H:%M}",
        task.state,
        done,
        "; ".join(filter(None, (counts, task.message, wait, here))),
    )

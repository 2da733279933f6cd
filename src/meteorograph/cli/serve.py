"""``meteorograph serve`` and ``meteorograph worker``: the service, and processes that only collect."""

from __future__ import annotations

from typing import Any

import click

_WORKERS = click.option(
    "--workers",
    type=click.IntRange(0, 256),
    help="Processes that collect [one for each 5,000 places, up to one for each core]; 0 for none, with Procrastinate.",
)


@click.command()
@click.option("--host", help="Address to listen on [HOST, 127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on [PORT, 8000]; 0 takes a free one.")
@click.option("--demo", is_flag=True, help="Run on the built-in simulator, with twelve cities and a separate database.")
@click.option("--demo-without-key", is_flag=True, help="Like --demo, but only if no API key is set.")
@click.option("--no-scheduler", is_flag=True, help="Serve stored data, collect nothing.")
@click.option("--no-web", is_flag=True, help="Collect, but start no web server: other processes serve.")
@_WORKERS
def serve(
    host: str | None,
    port: int | None,
    demo: bool,
    demo_without_key: bool,
    no_scheduler: bool,
    no_web: bool,
    workers: int | None,
) -> None:
    """Run web server, scheduler and collector; large runs are collected by several processes."""
    from ..config.loading import load_settings
    from ..server.serve import serve as serve_forever

    if no_web:
        if no_scheduler or demo or demo_without_key or host or port is not None:
            raise click.UsageError("--no-web cannot be combined with another option")
        _collect(workers)
        return
    if workers is not None and (no_scheduler or demo or demo_without_key):
        raise click.UsageError("--workers cannot be combined with --no-scheduler or --demo: nothing is shared there")
    enabled = False if no_scheduler else None
    options: dict[str, Any] = {"host": host, "port": port, "scheduler_enabled": enabled, "workers": workers}
    settings = load_settings(**{name: value for name, value in options.items() if value is not None})
    serve_forever(settings, demo=demo, demo_without_key=demo_without_key)


@click.command()
@_WORKERS
def worker(workers: int | None) -> None:
    """Collect without a web server, such as on a further host: all processes share the database and its large runs."""
    _collect(workers)


def _collect(workers: int | None) -> None:
    if workers == 0:
        raise click.UsageError("--workers 0: a process that does not serve must collect")
    from ..config.loading import load_settings
    from ..server.serve import collect_forever

    options = {"workers": workers} if workers is not None else {}
    collect_forever(load_settings(scheduler_enabled=True, **options))

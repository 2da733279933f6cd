"""Both engines for one test: nothing but what dispatches the shards may differ."""

from __future__ import annotations

import asyncio
import threading

import pytest
from procrastinate.worker import Worker

from meteorograph import shard_worker
from meteorograph.config.loading import get_settings
from meteorograph.scheduler import scheduled_ingest
from meteorograph.shard_collector import ShardCollector
from meteorograph.storage import queue_connections
from meteorograph.storage.engine import database_url, init_db
from meteorograph.storage.queues import Queue


def on_both_engines(database: str) -> pytest.MarkDecorator:
    """Run a test with the local engine on both databases, and with Procrastinate on PostgreSQL; ``database`` is the fixture."""
    choices = [("sqlite", "local"), ("postgresql", "local"), ("postgresql", "procrastinate")]
    return pytest.mark.parametrize((database, "engine"), choices, indirect=True)


def tick() -> None:
    """A tick of this process, and the jobs that wait after it."""
    scheduled_ingest()
    if get_settings().engine == "procrastinate":
        take_jobs(Queue.LIVE)


def take_jobs(queue: Queue) -> None:
    """Take the jobs of a queue, as a worker of this process does, until none waits."""
    init_db()
    options = queue_connections.connection_options(database_url(), get_settings())

    async def take() -> None:
        with ShardCollector(threading.Event()) as collector:
            app = shard_worker.make_app(options, collector.submit, threading.Event())
            async with app.open_async():
                worker = Worker(app, [queue], wait=False, concurrency=2, delete_jobs="successful", install_signal_handlers=False)
                await worker.run()  # type: ignore[no-untyped-call]

    asyncio.run(take())

"""Take the jobs of Procrastinate: shards, healing, background tasks, and the look for shards and jobs whose process has died.

The ledger is the truth: a job takes its shard by lease and token as a tick does, and ends quietly if another process has it.
Imported only where this engine is chosen, since Procrastinate is optional.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import procrastinate
from procrastinate import exceptions
from procrastinate.jobs import Job
from procrastinate.worker import Worker

from . import tick
from .background import runner
from .collecting.event_loop import run_async
from .collecting.process_memory import PROCESS_MEMORY
from .config.loading import get_settings
from .errors import MeteorographError, StoreError
from .healing import rounds
from .ledger import dispatch
from .log_output import get_logger
from .shard_collector import ShardCollector
from .storage import queue_connections
from .storage.database_errors import error_text, plain_reason
from .storage.engine import database_url, init_db
from .storage.queues import BACKGROUND_TASK, COLLECTING_QUEUES, HEALING_TASK, PRIORITIES, SHARD_TASK, Queue

log = get_logger(__name__)

#: Shards that one process collects at a time: the second one is begun while the last calls of the first are under way.
SHARDS_AT_ONCE: Final = 2

#: Healing, and one background task.
LONG_JOBS_AT_ONCE: Final = 2

#: How often to look for jobs where no notification comes [s].
_POLL_SECONDS: Final = 2.0

_HEARTBEAT_SECONDS: Final = 5.0
_STALLED_SECONDS: Final = 20.0

#: Each fifth second; the sixth field is that of the seconds.
_SWEEP_CRON: Final = "* * * * * */5"
_CLEAN_CRON: Final = "17 * * * *"

#: How long failed jobs are kept [hours].
_KEPT_HOURS: Final = 72

_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 15.0

#: How long a stop waits for the shards at hand, which end early and are given back [s].
_STOP_SECONDS: Final = 8.0


@dataclass(slots=True)
class ShardWorker:
    """The worker of this process, in a thread of its own. Thread-safe."""

    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _workers: list[Worker] = field(default_factory=list)

    def start(self, stop: threading.Event) -> None:
        """Begin to take jobs, unless this process does already; ``stop`` lets shards at hand end early."""
        with self._lock:
            if self._thread is None:
                self._stop = threading.Event()
                self._thread = threading.Thread(target=self._run, args=(stop, self._stop), name="shard worker", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Take no further job, and wait until the shards at hand are given back."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stop.set()
            _end(self._workers)
        if thread is not None:
            thread.join(_STOP_SECONDS)

    def reset(self) -> None:
        """Forget the thread of the parent process, which does not survive a fork."""
        self._thread, self._lock, self._stop, self._workers = None, threading.Lock(), threading.Event(), []

    def _run(self, stop: threading.Event, ended: threading.Event) -> None:
        """Work until the stop. A worker ends when the server restarts, so another one takes its place."""
        for name, level in (("procrastinate", logging.WARNING), ("psycopg.pool", logging.ERROR)):
            logging.getLogger(name).setLevel(level)  # a line for each job would drown the others
        pause = _FIRST_PAUSE_SECONDS
        while not ended.is_set():
            try:
                init_db()
                run_async(self._work(stop, ended))
                pause = _FIRST_PAUSE_SECONDS
            except Exception as error:
                log.warning("no jobs are taken, trying again", reason=_reason(error), after_seconds=pause)
            if ended.wait(pause):
                return
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _work(self, stop: threading.Event, ended: threading.Event) -> None:
        asyncio.get_running_loop().set_exception_handler(_note_failure)
        options = queue_connections.connection_options(database_url(), get_settings())
        listens = await asyncio.to_thread(queue_connections.can_listen, options)
        with ShardCollector(stop) as collector:
            app = make_app(options, collector.submit, stop)
            async with app.open_async():
                common: dict[str, Any] = {
                    "app": app,
                    "listen_notify": listens,
                    "fetch_job_polling_interval": _POLL_SECONDS,
                    "delete_jobs": "successful",
                    "install_signal_handlers": False,
                    "update_heartbeat_interval": _HEARTBEAT_SECONDS,
                    "stalled_worker_timeout": _STALLED_SECONDS,
                }
                workers = [
                    Worker(name="shards", queues=list(COLLECTING_QUEUES), concurrency=SHARDS_AT_ONCE, **common),
                    Worker(name="histories", queues=[Queue.BACKFILL], concurrency=LONG_JOBS_AT_ONCE, **common),
                    Worker(name="sweep", queues=[Queue.SWEEP], concurrency=1, **common),
                ]
                await self._run_all(workers, ended)

    async def _run_all(self, workers: list[Worker], ended: threading.Event) -> None:
        """Run the workers until one ends; the others end then too, and all are started again."""
        tasks = [asyncio.create_task(worker.run()) for worker in workers]  # type: ignore[no-untyped-call]
        await asyncio.sleep(0)  # a stop before a worker runs would be forgotten
        with self._lock:
            self._workers = workers
        if ended.is_set():
            _end(workers)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            with self._lock:
                self._workers = []
            _end(workers)
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome


def _reason(error: BaseException) -> str:
    """What went wrong, on one line: Procrastinate keeps the driver's words in the cause."""
    cause = error.__cause__ if isinstance(error, exceptions.ConnectorException) else None
    return plain_reason(cause) if cause is not None else error_text(error)


def _note_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log in one line that the end of a job was not recorded: another process has ended it, or the database is away."""
    error = context.get("exception")
    if isinstance(error, exceptions.ConnectorException):
        log.warning("the end of a job was not recorded, its shard says whether it is done", reason=_reason(error))
    else:
        loop.default_exception_handler(context)


def _end(workers: list[Worker]) -> None:
    for worker in workers:
        worker.stop()  # type: ignore[no-untyped-call]  # from any thread


#: The worker of this process.
SHARD_WORKER: Final = ShardWorker()


def make_app(options: dict[str, Any], collect: Callable[[int, int], Future[None]], stop: threading.Event) -> procrastinate.App:
    """The tasks.

    Args:
        options: Of the connections to PostgreSQL.
        collect: Begins to collect a shard, by run and number.
        stop: Lets long tasks end early.
    """
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(**options))

    @app.task(name=SHARD_TASK, queue=Queue.LIVE)
    async def collect_shard(run_id: int, shard: int) -> None:
        await asyncio.wrap_future(collect(run_id, shard))

    @app.task(name=HEALING_TASK, queue=Queue.BACKFILL)
    async def heal() -> None:
        await asyncio.to_thread(_heal, stop)

    @app.task(name=BACKGROUND_TASK, queue=Queue.BACKFILL)
    async def work_on_tasks() -> None:
        await asyncio.to_thread(runner.work, stop)

    @app.periodic(cron=_SWEEP_CRON)
    @app.task(name="meteorograph.sweep", queue=Queue.SWEEP, queueing_lock="sweep", priority=PRIORITIES[Queue.SWEEP])
    async def sweep_jobs(timestamp: int) -> None:
        for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=_STALLED_SECONDS):
            await _take_back(app, job)
        with suppress(StoreError):  # the next sweep
            await asyncio.to_thread(dispatch.defer_all_open_shards)

    @app.periodic(cron=_CLEAN_CRON)
    @app.task(name="meteorograph.clean", queue=Queue.SWEEP, queueing_lock="clean", priority=PRIORITIES[Queue.SWEEP])
    async def delete_old_jobs(timestamp: int) -> None:
        await app.job_manager.delete_old_jobs(_KEPT_HOURS, include_failed=True, include_cancelled=True, include_aborted=True)

    return app


def _heal(stop: threading.Event) -> None:
    """Do one round of healing, unless another process is at it."""
    if stop.is_set() or not PROCESS_MEMORY.clock_check.is_trusted:
        return  # what seems to be missed may lie in the future
    try:
        if rounds.heal_once(get_settings(), stop) is not None:
            tick.TICK_MEMORY.has_collected = True
    except MeteorographError as error:  # the next round is another job
        log.warning("healing interrupted", reason=str(error))


async def _take_back(app: procrastinate.App, job: Job) -> None:
    """Let another worker have the job of one that has died. The jobs of the sweep come again by themselves."""
    assert job.id is not None
    with suppress(exceptions.ConnectorException):  # another worker has ended the job meanwhile
        if job.queue != Queue.SWEEP:
            try:
                await app.job_manager.retry_job(job, priority=job.priority + 1)
            except exceptions.UniqueViolation:  # it waits again already
                pass
            else:
                return
        await app.job_manager.finish_job(job, procrastinate.jobs.Status.FAILED, delete_job=True)

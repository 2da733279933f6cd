"""Shards as jobs of Procrastinate: the ledger is the truth, and a job that is lost or comes twice changes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import procrastinate.schema
import pytest
from click.testing import CliRunner
from procrastinate.exceptions import ConnectorException
from sqlalchemy import select, text, update

from engines import take_jobs, tick
from meteorograph import create_app, get_db_session, init_db
from meteorograph.cli.main import cli
from meteorograph.config.loading import get_settings
from meteorograph.errors import ConfigurationError
from meteorograph.ledger import dispatch
from meteorograph.model.clock import DrivenClock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage import deferral, queue_connections, queues
from meteorograph.storage.engine import ENGINES, database_url
from meteorograph.storage.models import Location, Run, Shard
from meteorograph.storage.queues import Queue
from support import NOON

PLACES = 25

on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@pytest.fixture(autouse=True)
def _places(database: str, collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three shards of a run; one provider."""
    monkeypatch.setenv("METEOROGRAPH_ENGINE", "procrastinate")
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    monkeypatch.setenv("METEOROGRAPH_SHARD_SIZE", "10")
    if not database.startswith("sqlite"):
        with get_db_session() as session:
            for number in range(PLACES):
                session.add(Location(name=f"p{number}", latitude=number, longitude=10, state="active", created_at=NOON))


def _jobs(status: str = "todo") -> Sequence[Any]:
    with get_db_session(read_only=True) as session:
        columns = "SELECT id, queueing_lock, priority FROM procrastinate_jobs"
        query = text(f"{columns} WHERE queue_name = 'live' AND status::text = :status ORDER BY id")
        return session.execute(query, {"status": status}).all()


def _runs() -> list[tuple[str, int]]:
    with get_db_session(read_only=True) as session:
        return [(one.state, one.stored) for one in session.scalars(select(Run))]


def _delete_jobs() -> None:
    with get_db_session() as session:
        session.execute(text("DELETE FROM procrastinate_jobs"))


@on_postgresql
def test_a_tick_defers_a_job_for_each_shard_once(collecting: Simulator) -> None:
    for _ in range(2):
        scheduled_ingest()
    jobs = _jobs()
    assert [job.queueing_lock for job in jobs] == [f"shard 1/{number}" for number in range(3)]
    assert {job.priority for job in jobs} == {queues.PRIORITIES[Queue.LIVE]}
    assert (_runs(), collecting.count()) == ([("pending", 0)], 0)
    take_jobs(Queue.LIVE)
    assert (_runs(), collecting.count(), _jobs()) == ([("succeeded", PLACES)], PLACES, [])


@on_postgresql
def test_a_small_run_is_a_job_too(driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_SHARD_SIZE", "1000")
    tick()
    assert _runs() == [("succeeded", PLACES)]


@on_postgresql
def test_a_run_is_not_there_without_its_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectorException("the connection was cut")

    init_db()
    with monkeypatch.context() as patched:
        patched.setattr(deferral._MANAGER, "batch_defer_jobs", fail)
        scheduled_ingest()
    assert (_runs(), _jobs()) == ([], [])


@on_postgresql
def test_jobs_that_are_gone_are_deferred_again(collecting: Simulator) -> None:
    scheduled_ingest()
    _delete_jobs()  # as by a process that was suspended and ends the job of another one
    scheduled_ingest()
    assert len(_jobs()) == 3
    _delete_jobs()
    assert [dispatch.defer_all_open_shards() for _ in range(2)] == [3, 0]
    take_jobs(Queue.LIVE)
    assert (_runs(), collecting.count()) == ([("succeeded", PLACES)], PLACES)


@on_postgresql
def test_a_job_whose_shard_another_process_holds_ends_quietly(collecting: Simulator, driven: DrivenClock) -> None:
    scheduled_ingest()
    held = {"state": "running", "holder": "b:2", "token": 1, "lease_expires_at": NOON + timedelta(seconds=20)}
    with get_db_session() as session:
        session.execute(update(Shard).where(Shard.number == 1).values(**held))
    take_jobs(Queue.LIVE)
    assert {call.latitude for call in collecting.calls()} == {float(number) for number in (*range(9), *range(17, PLACES))}
    assert (_jobs(), _jobs("failed"), dispatch.defer_all_open_shards()) == ([], [], 0)
    driven.advance(timedelta(seconds=21))
    assert dispatch.defer_all_open_shards() == 1
    assert [job.priority for job in _jobs()] == [queues.PRIORITIES[Queue.LIVE] + 1], "what a process has lost comes first"
    take_jobs(Queue.LIVE)
    assert (_runs(), collecting.count()) == ([("succeeded", PLACES)], PLACES)


@on_postgresql
def test_a_job_that_comes_after_its_slot_collects_nothing(collecting: Simulator, driven: DrivenClock) -> None:
    scheduled_ingest()
    driven.advance(timedelta(hours=1))
    take_jobs(Queue.LIVE)
    assert (collecting.count(), _jobs(), _jobs("failed")) == (0, [], [])


@on_postgresql
def test_the_sweep_gives_the_jobs_of_a_dead_worker_to_others(collecting: Simulator) -> None:
    scheduled_ingest()
    with get_db_session() as session:
        dead = session.scalar(text("SELECT worker_id FROM procrastinate_register_worker_v1()"))
        session.execute(text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :dead"), {"dead": dead})
        session.execute(text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '21 s'"))
        lock = {"queue": "sweep", "lock": "sweep"}
        sweep = "INSERT INTO procrastinate_jobs (queue_name, task_name, args, queueing_lock) VALUES "
        session.execute(text(sweep + "(:queue, 'meteorograph.sweep', '{\"timestamp\": 1}', :lock)"), lock)
    take_jobs(Queue.SWEEP)
    assert (len(_jobs()), _jobs("doing"), _jobs("failed")) == (3, [], [])
    take_jobs(Queue.LIVE)
    assert (_runs(), collecting.count()) == ([("succeeded", PLACES)], PLACES)


@pytest.mark.parametrize("database", ["pooled"], indirect=True)
def test_behind_a_pooler_jobs_are_polled_for(collecting: Simulator) -> None:
    assert not queue_connections.can_listen(queue_connections.connection_options(database_url(), get_settings()))
    tick()
    assert (_runs(), collecting.count()) == ([("succeeded", PLACES)], PLACES)


@on_postgresql
def test_the_tables_follow_the_installed_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert queue_connections.can_listen(queue_connections.connection_options(database_url(), get_settings()))
    init_db()
    newer = tmp_path / "99.00.00_01_pre_more.sql"
    newer.write_text("CREATE TABLE more (text text DEFAULT '%'); INSERT INTO more VALUES ('a')")
    monkeypatch.setattr(procrastinate.schema, "migrations_path", tmp_path)
    for _ in range(2):  # the second time it is known
        ENGINES.reset()
        assert CliRunner().invoke(cli, ["db", "upgrade"]).exit_code == 0
    with get_db_session(read_only=True) as session:
        assert session.scalars(text("SELECT text FROM more")).all() == ["a"]
        assert newer.name in session.scalars(text("SELECT name FROM queue_migrations")).all()


@on_postgresql
def test_depth_lag_and_retries_are_shown(driven: DrivenClock) -> None:
    scheduled_ingest()
    with get_db_session() as session:
        session.execute(text("UPDATE procrastinate_events SET at = at - interval '90 s'"))
        session.execute(update(Shard).where(Shard.number == 1).values(token=3))
    printed = CliRunner().invoke(cli, ["jobs", "--json"]).output
    live = {"queue": "live", "waiting": 3, "running": 0, "failed": 0, "retries": 2}
    (found,) = (queue for queue in json.loads(printed)["queues"] if queue["queue"] == "live")
    assert 90 <= found.pop("lag_seconds") < 600
    assert found == live
    assert [line.split()[0] for line in CliRunner().invoke(cli, ["jobs"]).output.splitlines()[-4:]] == [
        "backfill",
        "live",
        "on_demand",
        "sweep",
    ]
    metrics = create_app(get_settings().model_copy(update={"scheduler_enabled": False})).test_client().get("/metrics").text
    assert 'meteorograph_queue_jobs{queue="live",state="waiting"} 3.0' in metrics
    assert 'meteorograph_queue_retries{queue="live"} 2.0' in metrics
    assert 'meteorograph_queue_lag_seconds{queue="live"}' in metrics


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_sqlite_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="METEOROGRAPH_ENGINE=procrastinate: must be local with SQLite"):
        init_db()


@on_postgresql
def test_it_says_how_to_install_what_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "find_spec", lambda _: None)
    result = CliRunner().invoke(cli, ["db", "upgrade"])
    assert isinstance(result.exception, ConfigurationError)
    assert "pip install 'meteorograph[procrastinate]'" in str(result.exception)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["serve", "--workers", "0"], "METEOROGRAPH_WORKERS=0: must be at least 1"), (["worker", "--workers", "0"], "must collect")],
)
def test_without_an_engine_somebody_must_collect(monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str) -> None:
    monkeypatch.setenv("METEOROGRAPH_ENGINE", "local")
    result = CliRunner().invoke(cli, arguments)
    assert message in f"{result.exception} {result.output}"

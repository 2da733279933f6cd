"""Runs in shards whose processes are killed and suspended at random: every slot is accounted for, and no quota is exceeded."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import select

from acceptance.books import add_places, books, pids, unaccounted
from acceptance.holds import suspend
from acceptance.processes import Starter, until
from engines import on_both_engines
from meteorograph import get_db_session
from meteorograph.ledger import audit
from meteorograph.model import clock
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Shard

PLACES, ROUNDS = 60, 8
SLOT = timedelta(seconds=4)
CALLS_PER_MINUTE = 700


@on_both_engines("empty_database")
def test_every_slot_is_accounted_for_though_processes_are_killed(
    empty_database: str, engine: str, start: Starter, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201  # for the report of a failure
    chance = random.Random(seed)
    add_places(PLACES)
    for name, value in (("INTERVAL", "4s"), ("SHARD_SIZE", "10"), ("CONCURRENCY", "4"), ("HEALING", "false")):
        monkeypatch.setenv(f"METEOROGRAPH_{name}", value)
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MINUTE", str(CALLS_PER_MINUTE))
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    collecting.set_faults("kind=latency ms=100")
    services = [start.serve() for _ in range(3)]
    until(lambda: pids() >= {one.pid for one in services}, "three schedulers")
    torn = 0
    for number in range(ROUNDS):
        holders = until(_holders, "shards in progress")
        threading.Event().wait(chance.uniform(0, 0.5))  # the moment is what the test is about
        victim = next((one for one in services if one.pid in holders), services[number % 3])
        if number % 4 == 3:
            suspend(victim, empty_database)
            last = books().runs[-1].due_at
            until(lambda last=last: books().runs[-1].due_at > last, "the next slot")  # type: ignore[misc]  # no type in a lambda
            victim.resume()
        else:
            victim.kill()
            torn += bool(_holders() & {victim.pid})
            services[services.index(victim)] = start.serve()
    last = books().runs[-1].due_at
    until(lambda: any(run.due_at > last for run in books().ended()), "a run after the last kill")
    until(lambda: pids() >= {one.pid for one in services}, "the last one that was started")
    assert [service.end() for service in services] == [0, 0, 0]
    assert torn, "no kill hit a shard"
    kept = books().without_last_if_given_back()
    assert unaccounted(kept, PLACES, SLOT) == []
    with get_db_session(read_only=True) as session:
        assert {one.run_id for one in session.scalars(select(Shard))} <= {
            run.id for run in books().runs if run.state == "pending"
        }
    assert audit.audit(clock.now(), [(DEFAULT_SCHEDULE, Interval(SLOT))], repair=False, lag=timedelta(hours=1)) == []
    per_minute = Counter(call.at.replace(second=0, microsecond=0) for call in collecting.calls())
    assert max(per_minute.values()) <= CALLS_PER_MINUTE


@pytest.mark.parametrize(("empty_database", "engine"), [("postgresql", "procrastinate")], indirect=True)
def test_jobs_are_taken_again_after_the_server_has_cut_the_connections(empty_database: str, engine: str, start: Starter) -> None:
    add_places(PLACES)
    service = start.serve()
    until(lambda: books().ended(), "the first run")
    with psycopg.connect(empty_database, autocommit=True) as server:
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'meteorograph jobs'"
        assert server.execute(cut).fetchall()
    last = books().runs[-1].due_at
    until(lambda: [run for run in books().ended() if run.due_at > last and run.state == "succeeded"], "a run after that")
    assert service.end() == 0


def _holders() -> set[int]:
    """The processes that hold shards."""
    with get_db_session(read_only=True) as session:
        held = session.scalars(select(Shard.holder).where(Shard.state == "running"))
        return {int(str(holder).rpartition(":")[2]) for holder in held}

"""The ledger of jobs: who runs a slot, what is skipped, and what becomes of the run of a dead process; driven by a clock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from meteorograph import get_db_session, job
from meteorograph.jobs import claims, queries
from meteorograph.jobs.claims import LEASE_LENGTH, JobClaim
from meteorograph.jobs.registry import JOBS, Job
from meteorograph.model.states import JobState
from meteorograph.storage.models import JobRun
from support import NOON

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def _no_jobs() -> Iterator[None]:
    JOBS.clear()
    yield
    JOBS.clear()


def _work() -> None:
    """A job."""


def _job(schedule: str = "1h", **options: Any) -> Job:
    job("work", schedule, _work, **options)
    claims.record_jobs([JOBS["work"]], NOON)
    return JOBS["work"]


def _claim(made: Job, after: timedelta, *, closes_dead: bool = True) -> JobClaim | None:
    return claims.claim(made, NOON + after, closes_dead=closes_dead)


def _held(made: Job, after: timedelta = timedelta()) -> JobClaim:
    held = _claim(made, after)
    assert held is not None
    return held


def _give_to_another_process() -> None:
    with get_db_session() as session:
        session.execute(update(JobRun).where(JobRun.holder.is_not(None)).values(holder="elsewhere:1"))


def _runs() -> list[tuple[float, str, int]]:
    """Minutes after noon, state and number of slots, oldest first."""
    with get_db_session(read_only=True) as session:
        runs = session.scalars(select(JobRun).order_by(JobRun.due_at)).all()
        return [((run.due_at - NOON) / MINUTE, run.state, run.slots) for run in runs]


def _error() -> str | None:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(JobRun.error).order_by(JobRun.due_at.desc()).limit(1))


def _totals() -> dict[str, int]:
    with get_db_session(read_only=True) as session:
        (view,) = queries.list_jobs(session, NOON)
        return {state.value: slots for state, slots in view.totals.items()}


def test_a_slot_is_claimed_once() -> None:
    made = _job()
    held = _held(made)
    assert (held.due_at, held.ends_at, held.attempts) == (NOON, NOON + HOUR, 1)
    assert _claim(made, LEASE_LENGTH / 2) is None
    claims.finish(held, NOON + MINUTE, None)
    assert _claim(made, 2 * MINUTE) is None
    assert (_runs(), _totals()) == ([(0, "succeeded", 1)], {"succeeded": 1, "failed": 0, "skipped": 0})
    assert _held(made, HOUR).due_at == NOON + HOUR


def test_many_at_once_claim_a_slot_once() -> None:
    made = _job()
    begin, taken = threading.Barrier(8), list[JobClaim]()

    def race() -> None:
        begin.wait()
        if (held := _claim(made, MINUTE)) is not None:
            taken.append(held)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
    assert _runs() == [(0, "running", 1)]


def test_the_first_slot_of_a_new_job_is_not_run_after_its_grace() -> None:
    made = _job("0 12 * * *", grace="10m")
    assert _claim(made, 11 * MINUTE) is None
    assert _runs() == []
    assert _claim(made, 9 * MINUTE) is not None


def test_after_an_absence_only_the_newest_slot_runs_and_the_others_are_counted() -> None:
    made = _job("15m")
    claims.finish(_held(made), NOON, None)
    held = _held(made, 5 * HOUR)
    claims.finish(held, NOON + 5 * HOUR, None)
    assert _runs() == [(0, "succeeded", 1), (285, "skipped", 19), (300, "succeeded", 1)]
    assert _totals()["skipped"] == 19


def test_slots_after_the_grace_are_skipped_in_one_row() -> None:
    made = _job("1h", grace="5m")
    claims.finish(_held(made), NOON, None)
    assert _claim(made, HOUR + 6 * MINUTE) is None
    assert _runs() == [(0, "succeeded", 1), (60, "skipped", 1)]
    assert _claim(made, 3 * HOUR + 6 * MINUTE) is None
    assert _claim(made, 3 * HOUR + 7 * MINUTE) is None
    assert _runs() == [(0, "succeeded", 1), (180, "skipped", 3)]
    assert _totals()["skipped"] == 3
    assert _error() == "no process with this job was running"


def test_a_long_run_does_not_overlap_with_itself() -> None:
    made = _job("1m", grace="2m")
    held = _held(made)
    for minute in range(1, 6):
        assert claims.renew(held, NOON + minute * MINUTE)
        assert _claim(made, minute * MINUTE) is None
    assert _error() == "an earlier run was still running"
    claims.finish(held, NOON + 5.5 * MINUTE, None)
    assert _held(made, 5.5 * MINUTE).due_at == NOON + 5 * MINUTE
    assert _runs() == [(0, "succeeded", 1), (4, "skipped", 4), (5, "running", 1)]


def test_a_run_of_a_dead_process_has_failed_unless_the_job_is_idempotent() -> None:
    made = _job()
    _held(made)
    _give_to_another_process()
    assert _claim(made, LEASE_LENGTH - timedelta(seconds=1)) is None
    assert _claim(made, LEASE_LENGTH, closes_dead=False) is None
    assert _runs() == [(0, "running", 1)]
    assert _claim(made, LEASE_LENGTH) is None
    assert _runs() == [(0, "failed", 1)]
    assert _error() == "its process died: elsewhere:1"
    assert _totals()["failed"] == 1


def test_a_run_of_a_dead_process_is_taken_over_if_the_job_is_idempotent_but_not_for_ever() -> None:
    made = _job(idempotent=True)
    _held(made)
    for attempt in (2, 3):
        _give_to_another_process()
        assert _held(made, attempt * MINUTE).attempts == attempt
    _give_to_another_process()
    assert _claim(made, 4 * MINUTE) is None
    assert _runs() == [(0, "failed", 1)]


def test_the_dead_run_of_an_earlier_slot_is_not_taken_over() -> None:
    made = _job(idempotent=True)
    _held(made)
    _give_to_another_process()
    assert _held(made, HOUR).due_at == NOON + HOUR
    assert _runs() == [(0, "failed", 1), (60, "running", 1)]


def test_a_failed_run_waits_for_its_retry_and_fails_when_a_later_slot_is_due() -> None:
    made = _job()
    held = _held(made)
    claims.finish(held, NOON, "ValueError: no", retry_at=NOON + MINUTE)
    assert _claim(made, MINUTE / 2) is None
    assert _runs() == [(0, "pending", 1)]
    again = _held(made, MINUTE)
    assert again.attempts == 2
    claims.finish(again, NOON + MINUTE, "ValueError: no", retry_at=NOON + 2 * HOUR)
    assert _held(made, HOUR).due_at == NOON + HOUR
    assert _runs() == [(0, "failed", 1), (60, "running", 1)]


def test_a_run_that_timed_out_has_failed_and_keeps_others_out_until_its_thread_ends() -> None:
    made = _job()
    held = _held(made)
    claims.time_out(held, NOON + MINUTE, "timed out after 60 s")
    assert _runs() == [(0, "failed", 1)]
    assert claims.renew(held, NOON + HOUR)
    assert _claim(made, HOUR) is None
    claims.finish(held, NOON + HOUR, None)  # too late
    assert _runs() == [(0, "failed", 1)]
    claims.let_go(held)
    assert _held(made, HOUR).due_at == NOON + HOUR


def test_a_run_that_another_process_has_ended_is_not_ended_again() -> None:
    made = _job()
    held = _held(made)
    _give_to_another_process()
    assert not claims.renew(held, NOON)
    claims.finish(held, NOON, None)
    assert _runs() == [(0, "running", 1)]


def test_a_run_by_a_clock_that_was_wrong_does_not_stop_the_job() -> None:
    made = _job()
    claims.finish(_held(made, 1000 * HOUR), NOON + 1000 * HOUR, None)
    assert _held(made).due_at == NOON


def test_jobs_are_listed_with_their_true_state() -> None:
    made = _job()
    with get_db_session(read_only=True) as session:
        (view,) = queries.list_jobs(session, NOON)
    assert (view.name, view.is_registered, view.newest, view.has_failed) == ("work", True, None, False)
    assert view.next_due_at == NOON + HOUR
    claims.finish(_held(made), NOON, "ValueError: no")
    with get_db_session(read_only=True) as session:
        assert queries.failed_jobs(session, NOON + MINUTE) == ["work"]
        assert queries.failed_jobs(session, NOON + HOUR) == []  # no process has it any more
    claims.record_jobs([made], NOON + HOUR)
    _held(made, HOUR)
    with get_db_session(read_only=True) as session:
        assert queries.failed_jobs(session, NOON + HOUR) == ["work"]  # while the next one runs
        runs, following = queries.list_job_runs(session, NOON, NOON + 2 * HOUR, limit=1)
        assert [run.state for run in runs] == [JobState.RUNNING]
        runs, following = queries.list_job_runs(session, NOON, NOON + 2 * HOUR, limit=1, after=following)
        assert ([run.error for run in runs], following) == (["ValueError: no"], None)


def test_old_runs_are_deleted_but_for_the_newest_of_each_state() -> None:
    made = _job()
    for hour in range(4):
        claims.finish(_held(made, hour * HOUR), NOON + hour * HOUR, "no" if hour < 2 else None)
    later = NOON + queries.KEPT + timedelta(days=1)
    claims.record_jobs([made], later)
    with get_db_session() as session:
        queries.delete_old_runs(session, later)
    assert _runs() == [(60, "failed", 1), (180, "succeeded", 1)]
    assert _totals() == {"succeeded": 2, "failed": 2, "skipped": 0}
    with get_db_session() as session:
        queries.delete_old_runs(session, later + queries.KEPT + timedelta(days=1))
    assert _runs() == []

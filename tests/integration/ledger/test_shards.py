"""Shards of a large run: each is taken once, an old token writes nothing, and the last process settles the run."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import select

from meteorograph import get_db_session
from meteorograph.errors import LostLeaseError
from meteorograph.ledger import audit, claims, closing, shards
from meteorograph.ledger.conditions import Claim
from meteorograph.ledger.shards import Departure, HeldShard, Wait
from meteorograph.model.clock import DrivenClock
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval
from meteorograph.model.states import MissedReason, RunState
from meteorograph.storage.fences import Fence, fenced
from meteorograph.storage.models import Location, Missed, Run, Shard, WeatherData
from rows import insert_rows
from support import NOON

HOUR = timedelta(hours=1)
HOURLY = Interval(HOUR)
SECOND = timedelta(seconds=1)
PLACES, SIZE = 25, 10


@pytest.fixture(autouse=True)
def _places(database: str, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    _be(monkeypatch, "a:1")
    with get_db_session() as session:
        for number in range(PLACES):
            session.add(Location(name=f"p{number}", latitude=number, longitude=9, state="active", created_at=NOON - HOUR))
        session.add(Location(name="other", latitude=1, longitude=8, state="active", schedule="6h", created_at=NOON - HOUR))


def _be(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Be another process."""
    monkeypatch.setattr("meteorograph.storage.process._process_name", lambda _: name)


def _claim(driven: DrivenClock, size: int | None = SIZE) -> Claim:
    claim = claims.claim_run(driven(), DEFAULT_SCHEDULE, HOURLY, shard_size=size)
    assert claim is not None
    return claim


def _take(claim: Claim, after: int = -1, done: Sequence[HeldShard] = ()) -> HeldShard:
    shard, is_lost = shards.take_shard(claim, range(after + 1), done)
    assert shard is not None
    assert not is_lost
    return shard


def _store(claim: Claim, shard: HeldShard, but: int = 0) -> list[int]:
    """Store the rows of a shard, but for the last ones; gives the ids of its locations."""
    ids = [location.id for location in claims.due_locations(claim, claim.due_at, shard=shard)[0]]
    columns = {column.name: None for column in WeatherData.__table__.columns} | {"origin": "live"}
    common = {"due_at": NOON, "fetched_at": NOON, "provider": "a"}
    with fenced("", [Fence(claim.run_id, shard.number, shard.token)]):
        insert_rows([columns | common | {"location_id": id_} for id_ in ids[: len(ids) - but]])
    return ids


def _run() -> Run:
    with get_db_session(read_only=True) as session:
        return session.scalars(select(Run)).one()


def _shards() -> list[tuple[str, str | None, int]]:
    with get_db_session(read_only=True) as session:
        return [(one.state, one.holder, one.token) for one in session.scalars(select(Shard).order_by(Shard.number))]


def _count() -> int:
    with get_db_session(read_only=True) as session:
        return len(session.scalars(select(WeatherData.location_id)).all())


def test_a_run_is_cut_into_equal_ranges_without_gaps(driven: DrivenClock) -> None:
    claim = _claim(driven)
    assert (claim.is_cut, claim.lease) == (True, 20 * SECOND)
    with get_db_session(read_only=True) as session:
        ranges = [(one.first_id, one.last_id) for one in session.scalars(select(Shard).order_by(Shard.number))]
        ids = session.scalars(select(Location.id).where(Location.schedule.is_(None)).order_by(Location.id)).all()
    assert [sum(first <= id_ <= last for id_ in ids) for first, last in ranges] == [9, 8, 8]
    assert ranges[0][0] == 0
    assert [last + 1 for _, last in ranges[:-1]] == [first for first, _ in ranges[1:]]
    with get_db_session() as session:
        session.add(Location(name="new", latitude=1, longitude=1, state="active", created_at=NOON))
    last = _take(claim, after=1)
    assert "new" in [location.name for location in claims.due_locations(claim, NOON, shard=last)[0]]


@pytest.mark.parametrize(("size", "is_cut"), [(PLACES - 1, True), (PLACES, False), (None, False)])
def test_a_run_that_is_no_larger_than_a_shard_has_none(driven: DrivenClock, size: int | None, is_cut: bool) -> None:
    claim = _claim(driven, size)
    assert claim.is_cut is is_cut
    assert bool(_shards()) is is_cut
    assert (_run().due, _run().state, _run().holder) == (PLACES, "running", "a:1")


def test_processes_share_a_run_and_the_last_one_settles_it(driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _claim(driven)
    mine = _take(first)
    _be(monkeypatch, "b:2")
    second = claims.claim_run(driven(), DEFAULT_SCHEDULE, HOURLY, shard_size=SIZE)
    assert second == Claim(first.run_id, DEFAULT_SCHEDULE, NOON, NOON + HOUR, HOUR, taken_over=False, is_cut=True)
    theirs = _take(second)
    _store(second, theirs)
    last = _take(second, theirs.number, [theirs])
    assert [mine.number, theirs.number, last.number] == [0, 1, 2]
    assert _shards() == [("running", "a:1", 1), ("done", None, 1), ("running", "b:2", 1)]
    assert claims.claim_run(driven(), DEFAULT_SCHEDULE, HOURLY, shard_size=SIZE) is None, "nothing is left to take"
    *_, lost = _store(second, last, but=1)
    closing.record_missed([{"location_id": lost, "due_at": NOON, "reason": "payload_error", "detail": None}])
    assert shards.leave_run(second, [last], driven(), Wait()) == Departure(RunState.RUNNING, False)
    driven.advance(3 * SECOND)
    _be(monkeypatch, "a:1")
    _store(first, mine)
    assert shards.leave_run(first, [mine], driven(), Wait()) == Departure(RunState.PARTIAL, False)
    run = _run()
    assert (run.state, run.due, run.stored, run.failed, run.ended_at) == ("partial", PLACES, PLACES - 1, 1, driven())
    assert (run.holder, run.lease_expires_at, _shards()) == (None, None, [])
    assert claims.claim_run(driven(), DEFAULT_SCHEDULE, HOURLY, shard_size=SIZE) is None
    assert audit.audit(NOON + HOUR, [(DEFAULT_SCHEDULE, HOURLY)], repair=False) == []


def test_of_many_at_once_each_shard_goes_to_one(driven: DrivenClock) -> None:
    claim = _claim(driven, 2)
    taken: list[HeldShard] = []
    errors: list[BaseException] = []
    barrier = threading.Barrier(6)

    def contend() -> None:
        try:
            barrier.wait()
            while (shard := shards.take_shard(claim, (), ())[0]) is not None:
                taken.append(shard)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=contend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert Counter(shard.number for shard in taken) == Counter(range(13))


def test_an_old_token_changes_nothing(driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = _claim(driven)
    slept = _take(claim)
    driven.advance(claim.lease - SECOND)
    _be(monkeypatch, "b:2")
    joined = _claim(driven)
    assert _take(joined).number == 1, "the lease of the first shard has not run out"
    driven.advance(SECOND)
    heir = _take(joined)
    assert (heir.number, heir.token, heir.lost_at) == (0, 2, driven())
    before = _shards(), _run().lease_expires_at
    _be(monkeypatch, "a:1")
    with pytest.raises(LostLeaseError):
        _store(claim, slept)
    with fenced("", [Fence(claim.run_id, slept.number, slept.token)]), suppress(LostLeaseError):
        closing.record_missed([{"location_id": 1, "due_at": NOON, "reason": "down", "detail": None}])
    assert not shards.renew_shards(claim, [slept], driven() + HOUR)
    assert shards.take_shard(claim, range(6), [slept]) == (None, True)
    assert shards.leave_run(claim, [slept], driven(), Wait(NOON + HOUR, MissedReason.QUOTA)) == Departure(RunState.RUNNING, True)
    assert (_shards(), _count(), closing.count_reasons(NOON)) == (before[0], 0, {})
    _be(monkeypatch, "b:2")
    _store(joined, heir)
    assert shards.renew_shards(joined, [heir], driven() + joined.lease)
    assert _count() == 9


def test_a_lease_that_is_renewed_keeps_the_shard_and_the_run(driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = _claim(driven)
    shard = _take(claim)
    for _ in range(4):
        driven.advance(15 * SECOND)
        assert shards.renew_shards(claim, [shard], driven() + claim.lease)
    assert _run().lease_expires_at == driven() + claim.lease
    _be(monkeypatch, "b:2")
    joined = _claim(driven)
    assert not joined.taken_over, "the run is at work"
    assert _take(joined).number == 1


def test_the_shards_of_a_dead_process_are_taken_and_the_run_ends(driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = _take(_claim(driven))
    driven.advance(31 * SECOND)
    _be(monkeypatch, "b:2")
    claim = _claim(driven)
    assert (claim.taken_over, claim.is_cut) == (True, True)
    held: list[HeldShard] = []
    while (shard := shards.take_shard(claim, [one.number for one in held], ())[0]) is not None:
        _store(claim, shard)
        held.append(shard)
    assert [(shard.number, shard.token, shard.lost_at) for shard in held] == [
        (0, 2, NOON + 20 * SECOND),
        (1, 1, None),
        (2, 1, None),
    ]
    assert dead.token == 1
    assert shards.leave_run(claim, held, driven(), Wait()) == Departure(RunState.SUCCEEDED, False)


def test_the_shard_of_a_dead_process_comes_first(driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is in the middle of a long run need not come to its end before."""
    dead = _take(_claim(driven), after=0)
    assert dead.number == 1
    _be(monkeypatch, "b:2")
    claim = _claim(driven)
    assert _take(claim).number == 0
    driven.advance(claim.lease)
    assert _take(claim, after=0).number == dead.number


def test_a_closed_provider_holds_back_all_shards_until_it_opens(driven: DrivenClock) -> None:
    claim = _claim(driven)
    shard = _take(claim)
    _store(claim, shard, but=2)
    until = NOON + timedelta(minutes=10)
    wait = Wait(until, MissedReason.QUOTA, is_for_all=True)
    assert shards.leave_run(claim, [shard], driven(), wait) == Departure(RunState.PENDING, False)
    run = _run()
    assert (run.state, run.holder, run.lease_expires_at, run.reason) == ("pending", None, until, "quota")
    assert {state for state, *_ in _shards()} == {"pending"}
    driven.advance(until - NOON - SECOND)
    assert claims.claim_run(driven(), DEFAULT_SCHEDULE, HOURLY, shard_size=SIZE) is None
    closing.reopen_waiting_runs()
    again = _claim(driven)
    assert again.taken_over
    assert (_run().reason, _take(again).token) == (None, 2)


def test_a_run_waits_for_the_first_of_its_shards(driven: DrivenClock) -> None:
    claim = _claim(driven)
    first = _take(claim)
    second = _take(claim, first.number)
    third = _take(claim, second.number)
    waits = {first: NOON + timedelta(minutes=9), second: NOON + timedelta(minutes=4)}
    _store(claim, third)
    for shard, until in waits.items():
        shards.leave_run(claim, [shard], driven(), Wait(until, MissedReason.PROVIDER_ERROR))
    assert shards.leave_run(claim, [third], driven(), Wait()) == Departure(RunState.PENDING, False)
    assert (_run().lease_expires_at, _run().reason) == (waits[second], "provider_error")
    driven.advance(timedelta(minutes=4))
    again = _claim(driven)
    assert _take(again).number == second.number


def test_the_shards_of_a_slot_that_is_over_are_closed_with_its_run(driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = _claim(driven)
    shard = _take(claim)
    _store(claim, shard, but=1)
    driven.advance(HOUR)
    _be(monkeypatch, "b:2")
    _claim(driven)
    _be(monkeypatch, "a:1")
    with pytest.raises(LostLeaseError), fenced("", [Fence(claim.run_id, shard.number, shard.token)]):
        closing.record_missed([{"location_id": 1, "due_at": NOON, "reason": "quota", "detail": None}])
    assert shards.leave_run(claim, [shard], driven(), Wait()) == Departure(RunState.PARTIAL, True)
    with get_db_session(read_only=True) as session:
        old = session.scalars(select(Run).where(Run.due_at == NOON)).one()
        assert (old.state, old.stored, old.failed) == ("partial", 8, PLACES - 8)
        assert set(session.scalars(select(Missed.reason))) == {"down"}
        assert {one.run_id for one in session.scalars(select(Shard))} == {_newest_run().id}


def _newest_run() -> Run:
    with get_db_session(read_only=True) as session:
        return session.scalars(select(Run).order_by(Run.due_at.desc()).limit(1)).one()


def test_an_old_token_of_a_run_without_shards_changes_nothing(driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    slept = _claim(driven, None)
    driven.advance(31 * SECOND)
    _be(monkeypatch, "b:2")
    heir = _claim(driven, None)
    assert heir.token == slept.token + 1
    reasons = [{"location_id": id_, "due_at": NOON, "reason": "quota", "detail": None} for id_ in range(1, PLACES + 1)]
    _be(monkeypatch, "a:1")
    with pytest.raises(LostLeaseError), fenced("", [Fence(slept.run_id, None, slept.token)]):
        closing.record_missed(reasons)
    assert closing.count_reasons(NOON) == {}
    with fenced("", [Fence(heir.run_id, None, heir.token)]):
        closing.record_missed(reasons)
    assert closing.finish_run(slept, 0, driven()) == "pending", "the run is that of the other process"
    _be(monkeypatch, "b:2")
    assert closing.finish_run(heir, 0, driven()) == "failed"

"""Every location goes through the batches once, whatever fails, closes, probes or stops, and no worker waits forever."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from meteorograph.accounts.account_state import Closed
from meteorograph.collecting import location_queue, worker_pool
from meteorograph.collecting.http import Fetcher
from meteorograph.collecting.location_queue import BatchQueue, LocationQueue, queue_of
from meteorograph.collecting.request import Outcome
from meteorograph.collecting.run_context import ProviderAccess, RunContext
from meteorograph.collecting.worker_pool import CollectedRow, FailedLocation, WorkerPool
from meteorograph.errors import PayloadError, PermanentFetchError, RetryableFetchError, StoreError
from meteorograph.model.values import Coordinates, DueLocation, Observation
from support import NOON
from virtual_time import run_in_virtual_time

#: Locations of a page, so that a few locations have several.
PAGE = 7

#: A scene that has not ended after so many virtual seconds hangs.
HANGS_AFTER = 100_000.0

NO_FETCHER = cast(Fetcher, None)


@dataclass(eq=False)
class FakeProvider:
    """A provider with the parts that the queue and the pool use, and what it does with each location."""

    name: str
    batch_size: int = 1
    closed: Closed | None = None
    is_probing: bool = False
    #: Share of locations that get an answer.
    answers: float = 1.0
    #: Batches after which it closes.
    closes_after: int | None = None
    by_quota: bool = False
    batches: list[int] = field(default_factory=list)
    in_progress: int = 0
    most_in_progress: int = 0
    called_while_closed: int = 0

    @property
    def gate(self) -> FakeProvider:
        return self

    @property
    def provider(self) -> Any:
        return SimpleNamespace(name=self.name)

    def outcome(self, location: DueLocation, chance: random.Random) -> Outcome:
        if chance.random() < self.answers:
            return Observation(provider=self.name, fetched_at=NOON, observed_at=NOON)
        errors: list[Outcome] = [
            PermanentFetchError(self.name, f"no data for {location.id}", status=404),
            RetryableFetchError(self.name, "HTTP 503", status=503),
            PayloadError(self.name, "not JSON", b"<html>"),
        ]
        return chance.choice(errors)

    async def observe(self, locations: Sequence[DueLocation], chance: random.Random) -> list[Outcome]:
        self.batches.append(len(locations))
        if self.closed is not None:
            return [self.closed.error()] * len(locations)
        self.in_progress += 1
        self.most_in_progress = max(self.most_in_progress, self.in_progress)
        await asyncio.sleep(chance.choice([0, 0.01, 1, 30]))
        self.in_progress -= 1
        if len(self.batches) == self.closes_after and self.closed is None:
            self.closed = Closed(self.name, "down", NOON + timedelta(minutes=1), self.by_quota)
            return [self.closed.error()] * len(locations)
        self.is_probing = False
        return [self.outcome(location, chance) for location in locations]


def _locations(count: int) -> list[DueLocation]:
    return [DueLocation(number, f"p{number}", Coordinates(number % 90, 0.0)) for number in range(1, count + 1)]


def _paged(locations: Sequence[DueLocation]) -> LocationQueue:
    return LocationQueue(lambda after, limit: [one for one in locations if one.id > after][:limit])


def _context(providers: Sequence[FakeProvider], *, waits: bool = False) -> RunContext:
    accesses = cast(list[ProviderAccess], list(providers))
    return RunContext(accesses, {}, NOON, waits_until=NOON + timedelta(hours=1) if waits else None)


@dataclass
class Run:
    """What became of the locations of a run."""

    tried_all: bool
    rows: list[int]
    failed: list[int]
    retryable: list[int]

    def once(self) -> Counter[int]:
        return Counter([*self.rows, *self.failed, *self.retryable])


async def _collect(
    monkeypatch: pytest.MonkeyPatch,
    providers: Sequence[FakeProvider],
    queue: LocationQueue,
    *,
    workers: int = 8,
    seed: int = 0,
    stop_after: float | None = None,
    waits: bool = False,
) -> Run:
    chance, stop = random.Random(seed), threading.Event()
    rows: list[int] = []
    failures: list[int] = []

    async def observe(_: Fetcher, context: RunContext, rank: int, locations: Sequence[DueLocation]) -> list[Outcome]:
        return await providers[rank].observe(locations, chance)

    async def stop_later() -> None:
        if stop_after is not None:
            await asyncio.sleep(stop_after)
            stop.set()
        else:
            await asyncio.Event().wait()

    def store(collected: list[CollectedRow], failed: list[FailedLocation]) -> None:
        rows.extend(one.row["location_id"] for one in collected)
        failures.extend(one.location_id for one in failed)

    async def in_loop(function: Any, *args: Any) -> Any:
        """In place of a thread, which the virtual time cannot wait for; as there, the caller is suspended meanwhile."""
        await asyncio.sleep(chance.choice([0, 0.001]))
        return function(*args)

    monkeypatch.setattr(worker_pool, "observe_from", observe)
    monkeypatch.setattr(worker_pool, "YIELD_SECONDS", 0.0)
    monkeypatch.setattr(asyncio, "to_thread", in_loop)
    monkeypatch.setattr(location_queue, "PAGE_SIZE", PAGE)
    pool = WorkerPool(_context(providers, waits=waits), store, stop)
    async with asyncio.timeout(HANGS_AFTER):
        tried_all = await pool.collect(queue, NO_FETCHER, workers, stop_later())
    return Run(tried_all, rows, failures, [one.location_id for one in pool.retryable_failures])


def _scene(*args: Any, **kwargs: Any) -> Run:
    with pytest.MonkeyPatch.context() as monkeypatch:
        return run_in_virtual_time(_collect(monkeypatch, *args, **kwargs))


PROVIDERS = st.builds(
    FakeProvider,
    name=st.just("x"),
    batch_size=st.sampled_from([1, 3, 1000]),
    is_probing=st.booleans(),
    closed=st.sampled_from([None, None, None, Closed("x", "down", NOON, by_quota=False)]),
    answers=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    closes_after=st.sampled_from([None, None, 1, 2, 5]),
    by_quota=st.booleans(),
)


@hypothesis_settings(max_examples=250, database=None, derandomize=True)
@given(
    providers=st.lists(PROVIDERS, min_size=1, max_size=3),
    count=st.sampled_from([0, 1, 6, 7, 8, 14, 20, 50]),
    workers=st.sampled_from([1, 2, 8, 64]),
    seed=st.integers(0, 1000),
    stop_after=st.sampled_from([None, None, 0.0, 0.005, 0.5, 20.0]),
    waits=st.booleans(),
)
def test_every_location_ends_once_and_no_worker_waits_for_ever(
    providers: list[FakeProvider], count: int, workers: int, seed: int, stop_after: float | None, waits: bool
) -> None:
    """Each location gets one row or one failure, is retryable, or is still open; open ones only where the run says so."""
    run = _scene(providers, _paged(_locations(count)), workers=workers, seed=seed, stop_after=stop_after, waits=waits)
    ended = run.once()
    assert set(ended.values()) <= {1}, "no location ends twice"
    assert set(ended) <= set(range(1, count + 1))
    if run.tried_all:
        assert len(ended) == count, "none is lost without a reason"
    else:
        assert stop_after is not None or any(provider.closed for provider in providers)
    for provider in providers:
        assert all(0 < size <= provider.batch_size for size in provider.batches)
        assert provider.in_progress == 0 or not run.tried_all


def test_no_location_is_no_call() -> None:
    run = _scene([FakeProvider("x", is_probing=True)], _paged([]))
    assert run == Run(True, [], [], [])


@pytest.mark.parametrize("count", [PAGE, 2 * PAGE, 2 * PAGE + 1])
def test_the_last_page_may_be_full_or_empty(count: int) -> None:
    run = _scene([FakeProvider("x", batch_size=3)], _paged(_locations(count)))
    assert (run.tried_all, sorted(run.rows)) == (True, list(range(1, count + 1)))


def test_a_page_that_cannot_be_read_ends_the_run_with_its_error() -> None:
    def read(after: int, limit: int) -> Sequence[DueLocation]:
        if after:
            raise StoreError("the database went away")
        return _locations(limit)

    with pytest.raises(StoreError, match="went away"):
        _scene([FakeProvider("x", batch_size=3)], LocationQueue(read))


def test_a_provider_that_is_probed_gets_one_batch_alone() -> None:
    provider = FakeProvider("x", is_probing=True, closes_after=1)
    run = _scene([provider], _paged(_locations(50)), workers=64)
    assert not run.tried_all
    assert len(provider.batches) == 1


@pytest.mark.parametrize("first", [1, 3])
def test_a_fallback_that_is_probed_does_not_hold_up_the_first_provider(first: int) -> None:
    providers = [FakeProvider("a", batch_size=first, answers=0.5), FakeProvider("b", is_probing=True)]
    assert _scene(providers, _paged(_locations(50)), workers=64).tried_all
    assert providers[0].most_in_progress > 1


def test_a_fallback_for_single_locations_is_called_by_all_workers() -> None:
    """One batch of the first provider may become as many calls to the next one."""
    providers = [FakeProvider("a", batch_size=1000, answers=0.0), FakeProvider("b")]
    assert _scene(providers, queue_of(_locations(200)), workers=16).tried_all
    assert providers[1].most_in_progress == 16


def test_those_that_only_a_closed_provider_is_left_for_are_tried_again_later() -> None:
    """Without a failure, the run would neither end nor pause: it would call the first provider again at every tick."""
    closed = Closed("b", "down", NOON + timedelta(hours=2), by_quota=False)
    providers = [FakeProvider("a", answers=0.0), FakeProvider("b", batch_size=1000, closed=closed)]
    run = _scene(providers, _paged(_locations(20)))
    assert run.tried_all
    assert sorted(run.retryable) == list(range(1, 21))


def test_workers_that_wait_call_no_fallback_when_the_probe_finds_a_quota_used_up() -> None:
    providers = [FakeProvider("a", is_probing=True, closes_after=1, by_quota=True), FakeProvider("b")]
    run = _scene(providers, _paged(_locations(50)), workers=64, waits=True)
    assert not run.tried_all
    assert providers[1].batches == []


def test_workers_that_wait_call_no_one_after_a_stop() -> None:
    provider = FakeProvider("x", is_probing=True)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(random.Random, "choice", lambda _, choices: choices[1])  # every answer takes 0.01 s
        run = run_in_virtual_time(_collect(monkeypatch, [provider], _paged(_locations(50)), workers=64, stop_after=0.005))
    assert not run.tried_all
    assert len(provider.batches) == 1


def test_a_row_that_cannot_be_made_costs_its_location_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_for_the_third(location: DueLocation, _: Observation) -> None:
        if location.id == 3:
            raise ValueError("math domain error")

    monkeypatch.setattr(worker_pool, "resolved_place", fail_for_the_third)
    run = _scene([FakeProvider("x", batch_size=3)], _paged(_locations(8)))
    assert (run.tried_all, run.failed, sorted(run.rows)) == (True, [3], [1, 2, 4, 5, 6, 7, 8])


def test_a_batch_is_taken_back_by_its_worker_even_when_it_raises() -> None:
    """A worker that ends with an error ends its batch too, so that the others do not wait for it."""

    async def scene() -> bool:
        batches = BatchQueue(queue_of(_locations(1)), cast(list[ProviderAccess], [FakeProvider("x")]))
        batch = await batches.take()
        assert batch is not None
        waiting = asyncio.create_task(batches.take())
        await asyncio.sleep(1)
        assert not waiting.done()
        batches.done(batch, [])
        return await waiting is None

    with pytest.MonkeyPatch.context() as monkeypatch:

        async def in_loop(function: Any, *args: Any) -> Any:
            return function(*args)

        monkeypatch.setattr(asyncio, "to_thread", in_loop)
        assert run_in_virtual_time(scene())

"""The calls of a run are spread over the minute; in virtual time, so that the machine's speed does not matter."""

from __future__ import annotations

import asyncio

import pytest

from meteorograph.collecting.pacing import FASTEST_PACED, Pacer
from meteorograph.model import clock
from meteorograph.model.clock import DrivenClock
from support import NOON
from virtual_time import run_in_virtual_time


def _never() -> bool:
    return False


async def _seconds(limits: dict[str, int], calls: int, workers: int = 10) -> float:
    """Virtual seconds until so many calls are let through, by some workers."""
    pacer, remaining = Pacer(limits), list(range(calls))

    async def work() -> None:
        while remaining:
            remaining.pop()
            await pacer.wait(1, _never)

    await asyncio.gather(*(work() for _ in range(workers)))
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(("calls", "seconds"), [(1, 0.0), (100, 0.0), (115, 1.5), (600, 50.0)])
def test_a_sixth_of_a_minutes_calls_comes_at_once_and_the_others_at_an_even_pace(calls: int, seconds: float) -> None:
    assert run_in_virtual_time(_seconds({"minute": 600, "month": 100_000}, calls)) == pytest.approx(seconds, abs=0.11)


def test_two_minutes_calls_are_never_made_at_once() -> None:
    """Within any minute at most the limit and a burst are let through."""

    async def instants() -> list[float]:
        pacer, made = Pacer({"minute": 60}), list[float]()
        for _ in range(200):
            await pacer.wait(1, _never)
            made.append(asyncio.get_running_loop().time())
        return made

    made = run_in_virtual_time(instants())
    assert max(sum(1 for at in made if start <= at < start + 60) for start in made) <= 60 + 10


@pytest.mark.parametrize("limit", [6, 600])
def test_a_request_that_costs_more_than_a_burst_is_let_through(limit: int) -> None:
    async def wait() -> float:
        await Pacer({"minute": limit}).wait(limit // 2, _never)
        return asyncio.get_running_loop().time()

    assert 10 < run_in_virtual_time(wait()) <= 30


@pytest.mark.parametrize("limits", [{}, {"day": 100}, {"minute": FASTEST_PACED}])
def test_limits_that_no_process_reaches_are_not_paced(limits: dict[str, int]) -> None:
    assert not Pacer(limits).is_active
    assert run_in_virtual_time(_seconds(limits, 1000)) == 0


def test_a_driven_clock_is_not_paced() -> None:
    with clock.driven_by(DrivenClock(NOON)):
        assert not Pacer({"minute": 60}).is_active
    assert Pacer({"minute": 60}).is_active


def test_nobody_waits_for_the_pace_of_a_provider_that_has_closed() -> None:
    async def scene() -> float:
        pacer, closed = Pacer({"minute": 60}), asyncio.Event()
        calls = [asyncio.create_task(pacer.wait(1, closed.is_set)) for _ in range(50)]
        await asyncio.sleep(2.5)
        closed.set()
        await asyncio.gather(*calls)
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(scene()) < 5, "at the pace of the minute it would be 40 s"

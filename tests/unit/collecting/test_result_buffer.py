"""Results between the workers and the writer: how many it gets at once, and when one of the two waits for the other."""

from __future__ import annotations

import asyncio

import pytest

from meteorograph.collecting.result_buffer import ResultBuffer
from virtual_time import run_in_virtual_time


def test_results_are_gathered_for_a_while_and_taken_in_their_order() -> None:
    async def take() -> None:
        results: ResultBuffer[int] = ResultBuffer(at_once=3, gather_seconds=10.0)
        loop = asyncio.get_running_loop()
        began = loop.time()
        loop.call_later(4, results.add, 1)
        loop.call_later(8, results.add, 2)
        assert await results.take() == [1, 2]
        assert loop.time() - began == pytest.approx(10, abs=0.1)

    run_in_virtual_time(take())


def test_as_many_as_fit_are_taken_at_once_without_a_wait() -> None:
    async def take() -> None:
        results: ResultBuffer[int] = ResultBuffer(at_once=3, gather_seconds=10.0)
        loop = asyncio.get_running_loop()
        began = loop.time()

        def add_seven() -> None:
            for number in range(7):
                results.add(number)

        loop.call_later(1, add_seven)
        assert await results.take() == [0, 1, 2]
        assert await results.take() == [3, 4, 5]
        assert loop.time() - began == pytest.approx(1, abs=0.1)
        assert await results.take() == [6]
        assert loop.time() - began == pytest.approx(11, abs=0.1)

    run_in_virtual_time(take())


def test_a_reader_waits_until_there_is_a_result() -> None:
    async def take() -> None:
        results: ResultBuffer[int] = ResultBuffer(at_once=3, gather_seconds=10.0)
        asyncio.get_running_loop().call_later(35, results.add, 1)
        assert await results.take() == [1]

    run_in_virtual_time(take())


def test_whoever_adds_to_a_full_buffer_waits_until_results_are_taken() -> None:
    async def fill() -> None:
        results: ResultBuffer[int] = ResultBuffer(at_once=2, gather_seconds=10.0)
        for number in range(4):
            assert not results.is_full
            results.add(number)
        assert results.is_full
        waiting = asyncio.create_task(results.wait_for_room())
        await asyncio.sleep(5)
        assert not waiting.done()
        assert await results.take() == [0, 1]
        await waiting
        assert not results.is_full

    run_in_virtual_time(fill())


def test_after_the_end_the_rest_is_taken_at_once_and_then_nothing() -> None:
    async def end() -> None:
        results: ResultBuffer[int] = ResultBuffer(at_once=2, gather_seconds=10.0)
        loop = asyncio.get_running_loop()
        began = loop.time()
        loop.call_later(1, results.add, 1)
        loop.call_later(2, results.end)
        assert await results.take() == [1]
        assert await results.take() == []
        assert loop.time() - began == pytest.approx(2, abs=0.1)

    run_in_virtual_time(end())

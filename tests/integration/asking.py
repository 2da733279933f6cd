"""Requests that are really made, and answers that are held against the weather they came from."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import timedelta

import pytest

from meteorograph.collecting.http import Fetcher
from meteorograph.model.quantities import BY_NAME
from meteorograph.model.values import Coordinates, Observation, Payload, Request
from meteorograph.simulator import Simulator


def fetch(request: Request) -> Payload:
    """The answer to one request."""

    async def once() -> Payload:
        async with Fetcher(timeout=timedelta(seconds=30), user_agent="test") as fetcher:
            return await fetcher.fetch(request)

    return asyncio.run(once())


def assert_true(
    sim: Simulator, found: Observation, point: Coordinates, *, share: float = 1.0, lacks: Collection[str] = ()
) -> None:
    """Every value is that of the simulated weather, an amount being so much of an hour's; what ``lacks`` names is not there."""
    assert found.observed_at is not None
    truth = sim.truth(point.latitude, point.longitude, found.observed_at)
    for name in BY_NAME.keys() & truth.keys():
        wanted, given = truth[name], getattr(found, name)
        if wanted is None or name in lacks:
            assert given is None, name
        else:
            assert given == pytest.approx(float(wanted) * (share if name == "precipitation" else 1.0), abs=1e-4), name

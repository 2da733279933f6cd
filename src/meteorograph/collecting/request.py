"""One request to one provider: spend, fetch, keep, parse (stops 3 to 6), with its retries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Final

import stamina
from stamina.instrumentation import set_on_retry_hooks

from ..errors import FetchError, PayloadError, PermanentFetchError, RetryableFetchError
from ..journal import entry
from ..journal.entry import Kind
from ..log_output import get_logger
from ..model.values import DueLocation, Observation, Payload, Request, RequestPoint
from ..providers.base import Provider
from . import http_cache
from .http import Fetcher
from .run_context import ProviderAccess, RunContext
from .station_lookup import find_stations

log = get_logger(__name__)

# Left to itself, stamina writes a line for each retry past our logging, and so past redaction.
set_on_retry_hooks(())

#: The longest wait between two attempts [s].
LONGEST_RETRY_WAIT: Final = 10.0

#: What there is of a point: its observation, or why there is none.
Outcome = Observation | FetchError | PayloadError


async def request_observations(
    fetcher: Fetcher, asked: RunContext, source: ProviderAccess, points: Sequence[DueLocation]
) -> list[Outcome]:
    """What a provider has for each of the points; what may heal is tried again, each attempt charged."""
    provider = source.provider
    if len(points) > source.most:
        parts = [points[first : first + source.most] for first in range(0, len(points), source.most)]
        return [outcome for part in parts for outcome in await request_observations(fetcher, asked, source, part)]
    if provider.stations is None:
        plain = [RequestPoint(one.coordinates.latitude, one.coordinates.longitude) for one in points]
        return await _request_points(fetcher, asked, source, points, plain)
    where = await find_stations(
        points, source, lambda request, one: _fetch_and_journal(fetcher, asked, source, request, "station", [one])
    )
    known = [point for point in where if isinstance(point, RequestPoint)]
    answers = iter(await _request_points(fetcher, asked, source, _where_known(points, where), known) if known else ())
    return [next(answers) if isinstance(point, RequestPoint) else point for point in where]


def _where_known(points: Sequence[DueLocation], where: Sequence[object]) -> list[DueLocation]:
    return [due for due, point in zip(points, where, strict=True) if isinstance(point, RequestPoint)]


async def _request_points(
    fetcher: Fetcher, asked: RunContext, source: ProviderAccess, points: Sequence[DueLocation], where: Sequence[RequestPoint]
) -> list[Outcome]:
    try:
        found = await _with_retries(fetcher, asked, source, points, where)
    except PermanentFetchError as error:
        if len(points) == 1 or error.status != 400:
            return [error] * len(points)
        half = len(points) // 2  # one bad point fails them all: find it
        first = await _request_points(fetcher, asked, source, points[:half], where[:half])
        return first + await _request_points(fetcher, asked, source, points[half:], where[half:])
    except (FetchError, PayloadError) as error:
        return [error] * len(points)
    return [one if one is not None else _nothing(source.provider) for one in found]


def _nothing(provider: Provider) -> FetchError:
    return PermanentFetchError(provider.name, "it has nothing for this point now", status=200)


async def _with_retries(
    fetcher: Fetcher, asked: RunContext, source: ProviderAccess, points: Sequence[DueLocation], where: Sequence[RequestPoint]
) -> Sequence[Observation | None]:
    try:
        return await _attempt(fetcher, asked, source, points, where)
    except RetryableFetchError as error:
        if asked.attempts == 1 or (error.wait and error.wait.total_seconds() > LONGEST_RETRY_WAIT):
            raise
        first = error
    # Entered on failure only: it costs more than the whole rest of a call that succeeds.
    async for attempt in stamina.retry_context(
        on=_may_heal,
        attempts=asked.attempts,
        timeout=None,
        wait_initial=0.1,
        wait_max=LONGEST_RETRY_WAIT,
        wait_jitter=LONGEST_RETRY_WAIT / 2,
    ):
        with attempt:
            if attempt.num == 1:
                raise first
            log.debug("trying again", provider=source.provider.name, point=str(points[0].coordinates), attempt=attempt.num)
            return await _attempt(fetcher, asked, source, points, where)
    raise AssertionError("the loop ends with an answer or an error")


def _may_heal(error: Exception) -> bool | timedelta:
    if not isinstance(error, RetryableFetchError):
        return False
    return error.wait if error.wait and error.wait.total_seconds() <= LONGEST_RETRY_WAIT else True


async def _attempt(
    fetcher: Fetcher, asked: RunContext, source: ProviderAccess, points: Sequence[DueLocation], where: Sequence[RequestPoint]
) -> Sequence[Observation | None]:
    provider = source.provider
    request = provider.request(source.base_url, where, source.key)
    async with source.gate.place():
        payload = await _fetch_and_journal(fetcher, asked, source, request, "current", points)
        try:
            found = provider.parse(payload)
            if len(found) != len(points):
                raise PayloadError(provider.name, f"{len(found)} answers to {len(points)} points", payload.body)
        except (FetchError, PayloadError) as error:
            await source.gate.report(error)
            raise
        except Exception as error:  # a parser's fault must cost one answer and not the run
            log.exception("the parser failed", provider=provider.name)
            fault = PayloadError(provider.name, f"the parser failed on the body: {type(error).__name__}", payload.body)
            await source.gate.report(fault)
            raise fault from None
    await source.gate.report(None)
    return found


async def _fetch_and_journal(
    fetcher: Fetcher, asked: RunContext, source: ProviderAccess, request: Request, kind: Kind, points: Sequence[DueLocation]
) -> Payload:
    """The answer to a request, kept in the journal before anybody reads it; charged unless it is here already."""
    if asked.known and (known := asked.known.get((request.url, tuple(request.params.items())))) is not None:
        return known
    caches = source.provider.caches
    if caches and (fresh := http_cache.fresh_answer(request)) is not None:
        return fresh
    await source.gate.spend(source.provider.cost * len(points) if kind == "current" else 1)
    try:
        payload = await fetcher.fetch(http_cache.conditional_request(request) if caches else request)
    except FetchError as error:
        await source.gate.report(error)
        raise
    if caches:
        payload = http_cache.updated_answer(request, payload)
    if source.provider.notice is not None and (notice := source.provider.notice(payload)) is not None:
        _log_notice(source.provider.name, notice)
    if asked.journal is not None:
        asked.journal.keep(entry.make_entry(payload, kind, asked.due_at, points))
    return payload


@cache
def _log_notice(provider: str, notice: str) -> None:
    """Log a provider's notice once in a process."""
    log.warning(notice, provider=provider)

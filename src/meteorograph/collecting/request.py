"""One request to one provider, with its retries: spend, fetch, keep, parse (stops 3 to 6 of the walk)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import stamina
from stamina.instrumentation import set_on_retry_hooks

from ..errors import FetchError, PayloadError, PermanentFetchError, RetryableFetchError
from ..journal.entry import Kind, make_entry
from ..log_output import get_logger
from ..log_repeats import error_once
from ..model.values import DueLocation, Observation, Payload, Request, RequestPoint
from ..model.words import counted
from ..providers.base import Provider
from ..storage.counters import COUNTERS, Count
from .http import Fetcher
from .run_context import ProviderAccess, RunContext
from .station_choice import STATIONS_PER_SLOT, StationChoice
from .station_lookup import choose_stations, note_answer, save_choices

log = get_logger(__name__)

# By default stamina logs each retry itself, past our logging and its redaction.
set_on_retry_hooks(())

#: The result for one location: its observation, or why there is none.
Outcome = Observation | FetchError | PayloadError


async def request_observations(
    fetcher: Fetcher, context: RunContext, access: ProviderAccess, locations: Sequence[DueLocation]
) -> list[Outcome]:
    """Request the weather of locations from one provider; retryable failures are retried, and each attempt is charged."""
    if len(locations) > 1 and len(locations) > access.batch_size:
        outcomes: list[Outcome] = []
        for first in range(0, len(locations), access.batch_size):
            outcomes += await request_observations(fetcher, context, access, locations[first : first + access.batch_size])
        return outcomes
    if access.provider.stations is None:
        points = [RequestPoint(one.coordinates.latitude, one.coordinates.longitude) for one in locations]
        return await _request_points(fetcher, context, access, locations, points)
    return await _request_stations(fetcher, context, access, locations)


async def _request_stations(
    fetcher: Fetcher, context: RunContext, access: ProviderAccess, locations: Sequence[DueLocation]
) -> list[Outcome]:
    """Request locations of a provider that answers by station; a location without a station keeps the reason.

    If the provider does not know the station of a location any more, its next station is requested at once.
    """

    async def fetch(request: Request, location: DueLocation) -> Payload:
        return await _fetch_and_journal(fetcher, context, access, request, "station", [location])

    choices = await choose_stations(locations, access, fetch)
    outcomes: list[Outcome | None] = [None if isinstance(choice, StationChoice) else choice for choice in choices]
    pending = [index for index, outcome in enumerate(outcomes) if outcome is None]
    for _ in range(STATIONS_PER_SLOT):
        requested = {index: choice for index in pending if isinstance(choice := choices[index], StationChoice)}
        where = [choice.location for choice in requested.values()]
        points = [choice.point for choice in requested.values()]
        answers = await _request_points(fetcher, context, access, where, points) if points else []
        for index, answer in zip(pending, answers, strict=True):
            outcomes[index] = answer
        pending = [index for index, answer in zip(pending, answers, strict=True) if note_answer(requested[index], answer, access)]
        if not pending:
            break
    await save_choices([choice for choice in choices if isinstance(choice, StationChoice)], access.provider.name)
    return [outcome for outcome in outcomes if outcome is not None]


async def _request_points(
    fetcher: Fetcher,
    context: RunContext,
    access: ProviderAccess,
    locations: Sequence[DueLocation],
    points: Sequence[RequestPoint],
) -> list[Outcome]:
    failure: RetryableFetchError | None = None
    try:
        try:
            outcomes = await _attempt(fetcher, context, access, locations, points)
        except RetryableFetchError as error:
            failure = error
        if failure is not None:  # not in the handler: whatever happens now has not the first failure as its context
            outcomes = await _retry(failure, fetcher, context, access, locations, points)
    except PermanentFetchError as error:
        if len(locations) == 1 or error.status != 400:
            return [error] * len(locations)
        half = len(locations) // 2  # one bad point fails the whole batch: halve it to isolate the point
        first = await _request_points(fetcher, context, access, locations[:half], points[:half])
        return first + await _request_points(fetcher, context, access, locations[half:], points[half:])
    except (FetchError, PayloadError) as error:
        return [error] * len(locations)
    return [outcome if outcome is not None else _no_data(access.provider) for outcome in outcomes]


def _no_data(provider: Provider) -> FetchError:
    return PermanentFetchError(provider.name, "it has no data for this point now", status=200)


async def _retry(
    first: RetryableFetchError,
    fetcher: Fetcher,
    context: RunContext,
    access: ProviderAccess,
    locations: Sequence[DueLocation],
    points: Sequence[RequestPoint],
) -> Sequence[Observation | PayloadError | None]:
    """Attempt a request again that has failed with the error ``first``, if it may heal soon enough.

    stamina is entered after a failure only: it costs more than all the rest of a call that succeeds.
    """
    retries = context.retries
    if retries.attempts == 1 or (first.wait and first.wait.total_seconds() > retries.longest_wait):
        raise first
    async for attempt in stamina.retry_context(
        on=partial(_retry_delay, longest_wait=retries.longest_wait),
        attempts=retries.attempts,
        timeout=retries.total,
        wait_initial=0.1,
        wait_max=retries.longest_wait,
        wait_jitter=retries.longest_wait / 2,
    ):
        with attempt:
            if attempt.num == 1:
                raise first
            COUNTERS.add(Count.RETRIES, access.provider.name)
            log.debug("retrying", provider=access.provider.name, point=str(locations[0].coordinates), attempt=attempt.num)
            return await _attempt(fetcher, context, access, locations, points)
    raise AssertionError("the loop ends with an answer or an error")


def _retry_delay(error: Exception, *, longest_wait: float) -> bool | timedelta:
    """Whether to retry after an error, or the pause that the provider asks for."""
    if not isinstance(error, RetryableFetchError):
        return False
    return error.wait if error.wait and error.wait.total_seconds() <= longest_wait else True


async def _attempt(
    fetcher: Fetcher,
    context: RunContext,
    access: ProviderAccess,
    locations: Sequence[DueLocation],
    points: Sequence[RequestPoint],
) -> Sequence[Observation | PayloadError | None]:
    provider = access.provider
    request = provider.request(access.base_url, points, access.key)
    async with access.gate.place():
        payload = await _fetch_and_journal(fetcher, context, access, request, "current", locations)
        try:
            outcomes = _parse(provider, payload, len(locations))
            if provider.caches:
                context.memory.http_cache.keep(payload)
        except (FetchError, PayloadError) as error:
            await access.gate.report(error)
            raise
    await access.gate.report(None)
    return outcomes


def _parse(provider: Provider, payload: Payload, points: int) -> Sequence[Observation | PayloadError | None]:
    try:
        outcomes = provider.parse(payload)
    except (FetchError, PayloadError):
        raise
    except Exception as error:  # a fault of the parser costs one answer and not the run
        kind = (provider.name, type(error).__name__)
        error_once(log, "the parser failed", kind, provider=provider.name, exc_info=error)
        raise PayloadError(provider.name, f"the parser failed on the body: {type(error).__name__}", payload.body) from None
    if len(outcomes) != points:
        raise PayloadError(provider.name, f"{counted(len(outcomes), 'answer')} to {counted(points, 'point')}", payload.body)
    return outcomes


async def _fetch_and_journal(
    fetcher: Fetcher,
    context: RunContext,
    access: ProviderAccess,
    request: Request,
    kind: Kind,
    locations: Sequence[DueLocation],
) -> Payload:
    """The answer to a request, appended to the journal before it is parsed; charged unless it need not be fetched."""
    if context.replayed and (payload := context.replayed.get((request.url, tuple(request.params.items())))) is not None:
        return payload
    cache = context.memory.http_cache if access.provider.caches else None
    if cache is not None and (fresh := cache.fresh_answer(request)) is not None:
        return fresh
    charge = await access.gate.spend(access.provider.cost * len(locations) if kind == "current" else 1)
    try:
        payload = await access.gate.fetch(fetcher, request if cache is None else cache.conditional_request(request), charge)
    except FetchError as error:
        await access.gate.report(error)
        raise
    context.memory.clock_check.note(access.provider.name, payload.date, payload.fetched_at)
    if cache is not None:
        payload = cache.updated_answer(request, payload)
    _log_notice(context, access.provider, payload)
    if context.journal is not None:
        await context.journal.append(make_entry(payload, kind, context.due_at, locations))
    return payload


def _log_notice(context: RunContext, provider: Provider, payload: Payload) -> None:
    """Log a notice that an answer carries, once in a process."""
    notice = provider.notice(payload) if provider.notice is not None else None
    if notice is not None and (provider.name, notice) not in context.memory.logged_notices:
        context.memory.logged_notices.add((provider.name, notice))
        log.warning(notice, provider=provider.name)

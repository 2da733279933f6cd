"""Parse payloads with a provider's functions, and check each result against the contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from ..errors import FetchError, MeteorographError, PayloadError, QuotaExceededError
from ..model.values import Observation, Payload, Request, RequestPoint, Station
from ..providers.base import History, Page, Provider
from .assertions import assert_gives, assert_line, assert_sound_error, assert_sound_observation, assert_sound_request
from .fixtures import BASE_URL, KEY, NOON, POINT, Answer, Lookup, Refusal, encoded, payload

Failed = FetchError | PayloadError


def read_all(provider: Provider, response: Payload, count: int) -> Sequence[Observation | PayloadError | None] | Failed:
    """Parse a payload for ``count`` points; gives the outcomes or our error. Other exceptions are not caught."""
    try:
        result = provider.parse(response)
    except (FetchError, PayloadError) as error:
        assert_sound_error(provider, response, error)
        return error
    assert len(result) == count, f"{len(result)} observations for {count} points"
    for outcome in result:
        if isinstance(outcome, PayloadError):
            assert_sound_error(provider, response, outcome)
        elif outcome is not None:
            assert_sound_observation(provider, response, outcome)
    return result


def read(provider: Provider, response: Payload) -> Observation | Failed | None:
    """Parse a payload for one point; gives the observation, None, or the error."""
    result = read_all(provider, response, 1)
    return result if isinstance(result, MeteorographError) else result[0]


def read_page(provider: Provider, history: History, response: Payload) -> Page | Failed:
    """Parse a payload of a history; gives the page or the error."""
    try:
        page = history.parse(response)
    except (FetchError, PayloadError) as error:
        assert_sound_error(provider, response, error)
        return error
    times = []
    for observation in page.observations:
        assert_sound_observation(provider, response, observation)
        assert observation.observed_at is not None
        times.append(observation.observed_at)
    assert all(before < after for before, after in pairwise(times)), "the times do not ascend"
    if page.next_start is not None:
        assert page.next_start.utcoffset() == timedelta()
        assert not times or page.next_start > times[0], "the next page does not start later"
    return page


def look_up(provider: Provider, lookup: Lookup) -> Sequence[Station] | Failed:
    """Run a station lookup with its bodies as answers; gives the stations, nearest first, or the error."""
    assert provider.stations is not None
    request, count = provider.stations.request(BASE_URL, lookup.point), 0
    for count, body in enumerate(lookup.bodies, 1):
        assert_sound_request(provider, request, BASE_URL, KEY)
        is_last = count == len(lookup.bodies)
        result = read_stations(provider, Payload(request, lookup.status if is_last else 200, encoded(body), NOON))
        if not isinstance(result, Request):
            assert is_last, f"{result!r} after {count} of {len(lookup.bodies)} bodies"
            return result
        request = result
    raise AssertionError(f"another request after all {count} bodies: {request}")


def read_stations(provider: Provider, response: Payload) -> Sequence[Station] | Request | Failed:
    """Parse one payload of a station lookup; gives the stations, the next request, or the error."""
    assert provider.stations is not None
    try:
        result = provider.stations.parse(response)
    except (FetchError, PayloadError) as error:
        assert_sound_error(provider, response, error)
        return error
    if isinstance(result, Request):
        return result
    stations = [result] if isinstance(result, Station) else result
    assert stations, "neither a station nor an error"
    for station in stations:
        assert station.id
        assert_line(station.id)
        assert_line(station.place.name)
        assert -90 <= station.place.coordinates.latitude <= 90
        assert -180 <= station.place.coordinates.longitude <= 180
    assert len({station.id for station in stations}) == len(stations), "a station twice"
    return stations


def assert_answer(provider: Provider, answer: Answer, point: RequestPoint = POINT) -> Observation | None:
    """The body gives the expected observation."""
    response = payload(
        provider,
        answer.body,
        status=answer.status,
        params=answer.params,
        fetched_at=answer.fetched_at,
        points=[answer.point or point],
    )
    result = read(provider, response)
    if answer.gives is None:
        assert result is None, result
        return None
    assert isinstance(result, Observation), result
    assert_gives(result, answer.gives, whole=answer.whole)
    return result


def assert_raised(result: object, refusal: Refusal) -> None:
    """The result is the expected error, of exactly this class."""
    assert type(result) is refusal.raises, result
    assert refusal.says in str(result)
    if isinstance(result, QuotaExceededError) and refusal.retry_at is not None:
        assert result.retry_at == refusal.retry_at


def assert_refusal(provider: Provider, refusal: Refusal, point: RequestPoint = POINT) -> None:
    """The body raises the expected error."""
    response = payload(
        provider,
        refusal.body,
        status=refusal.status,
        retry_after=refusal.retry_after,
        fetched_at=refusal.fetched_at,
        points=[point],
    )
    assert_raised(read(provider, response), refusal)

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


def read_all(provider: Provider, answered: Payload, count: int) -> Sequence[Observation | None] | Failed:
    """Parse a payload for ``count`` points; gives the observations or our error. Other exceptions are not caught."""
    try:
        found = provider.parse(answered)
    except (FetchError, PayloadError) as error:
        assert_sound_error(provider, answered, error)
        return error
    assert len(found) == count, f"{len(found)} observations for {count} points"
    for observation in found:
        if observation is not None:
            assert_sound_observation(provider, answered, observation)
    return found


def read(provider: Provider, answered: Payload) -> Observation | Failed | None:
    """Parse a payload for one point; gives the observation, None, or the error."""
    found = read_all(provider, answered, 1)
    return found if isinstance(found, MeteorographError) else found[0]


def read_page(provider: Provider, history: History, answered: Payload) -> Page | Failed:
    """Parse a payload of a history; gives the page or the error."""
    try:
        page = history.parse(answered)
    except (FetchError, PayloadError) as error:
        assert_sound_error(provider, answered, error)
        return error
    times = []
    for observation in page.observations:
        assert_sound_observation(provider, answered, observation)
        assert observation.observed_at is not None
        times.append(observation.observed_at)
    assert all(before < after for before, after in pairwise(times)), "the times do not ascend"
    if page.next_start is not None:
        assert page.next_start.utcoffset() == timedelta()
        assert not times or page.next_start > times[0], "the next page does not start later"
    return page


def look_up(provider: Provider, lookup: Lookup) -> Station | Failed:
    """Run a station lookup with its bodies as answers; gives the station or the error."""
    assert provider.stations is not None
    request, count = provider.stations.request(BASE_URL, lookup.point), 0
    for count, body in enumerate(lookup.bodies, 1):
        assert_sound_request(provider, request, BASE_URL, KEY)
        is_last = count == len(lookup.bodies)
        found = read_station(provider, Payload(request, lookup.status if is_last else 200, encoded(body), NOON))
        if not isinstance(found, Request):
            assert is_last, f"{found!r} after {count} of {len(lookup.bodies)} bodies"
            return found
        request = found
    raise AssertionError(f"another request after all {count} bodies: {request}")


def read_station(provider: Provider, answered: Payload) -> Station | Request | Failed:
    """Parse one payload of a station lookup; gives the station, the next request, or the error."""
    assert provider.stations is not None
    try:
        found = provider.stations.parse(answered)
    except (FetchError, PayloadError) as error:
        assert_sound_error(provider, answered, error)
        return error
    if isinstance(found, Station):
        assert found.id
        assert_line(found.id)
        assert_line(found.place.name)
        assert -90 <= found.place.coordinates.latitude <= 90
        assert -180 <= found.place.coordinates.longitude <= 180
    return found


def assert_answer(provider: Provider, answer: Answer, point: RequestPoint = POINT) -> Observation | None:
    """The body gives the expected observation."""
    answered = payload(
        provider, answer.body, status=answer.status, params=answer.params, fetched_at=answer.fetched_at, points=[point]
    )
    found = read(provider, answered)
    if answer.gives is None:
        assert found is None, found
        return None
    assert isinstance(found, Observation), found
    assert_gives(found, answer.gives, whole=answer.whole)
    return found


def assert_raised(found: object, refusal: Refusal) -> None:
    """The result is the expected error, of exactly this class."""
    assert type(found) is refusal.raises, found
    assert refusal.says in str(found)
    if isinstance(found, QuotaExceededError) and refusal.retry_at is not None:
        assert found.retry_at == refusal.retry_at


def assert_refusal(provider: Provider, refusal: Refusal, point: RequestPoint = POINT) -> None:
    """The body raises the expected error."""
    answered = payload(
        provider,
        refusal.body,
        status=refusal.status,
        retry_after=refusal.retry_after,
        fetched_at=refusal.fetched_at,
        points=[point],
    )
    assert_raised(read(provider, answered), refusal)

"""Checks of a provider's station lookup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import FetchError, MeteorographError, PayloadError
from ..model.values import Payload, Request, Station
from ..providers.base import Provider
from .assertions import assert_sound_request
from .damage import NOT_JSON, paths, remove_at, replace_at, wrong_types_at
from .fixtures import BASE_URL, KEY, NOON, Body, Check, Fixtures, Lookup, encoded, make_check
from .reading import look_up, read_stations


def lookup_checks(provider: Provider, fixtures: Fixtures) -> Iterator[Check]:
    """Checks of ``Provider.stations``; none for a provider without stations."""
    if provider.stations is None:
        return
    yield make_check(_there_are_lookups, fixtures)
    yield make_check(_the_lookup_stays_at_its_address, provider, fixtures.lookups[0])
    yield make_check(_a_damaged_answer_gives_a_station_or_an_error, provider, fixtures.lookups[0])
    for lookup in fixtures.lookups:
        yield make_check(_lookup, provider, lookup, case=lookup.name)


def _there_are_lookups(fixtures: Fixtures) -> None:
    assert fixtures.point.station, "the point of the fixtures has no station"
    assert not isinstance(fixtures.lookups[0].gives, type), "the first lookup must find a station"


def _lookup(provider: Provider, lookup: Lookup) -> None:
    result = look_up(provider, lookup)
    if isinstance(lookup.gives, type):
        assert type(result) is lookup.gives, result
    else:
        assert not isinstance(result, MeteorographError), result
        gives = [lookup.gives] if isinstance(lookup.gives, Station) else list(lookup.gives)
        assert list(result)[: len(gives)] == gives


def _steps(provider: Provider, lookup: Lookup, base_url: str) -> Iterator[tuple[Request, Body]]:
    """Each request of a lookup with the body that answers it."""
    assert provider.stations is not None
    request = provider.stations.request(base_url, lookup.point)
    for body in lookup.bodies:
        yield request, body
        result = read_stations(provider, Payload(request, 200, encoded(body), NOON))
        if isinstance(result, Request):
            request = result


def _the_lookup_stays_at_its_address(provider: Provider, lookup: Lookup) -> None:
    """All requests go to the address of the settings, even if an answer contains a link."""
    base_url = f"{BASE_URL}/base/"
    for request, _ in _steps(provider, lookup, base_url):
        assert_sound_request(provider, request, base_url, KEY)


def _a_damaged_answer_gives_a_station_or_an_error(provider: Provider, lookup: Lookup) -> None:
    for request, body in _steps(provider, lookup, BASE_URL):
        damaged: list[Body] = list(NOT_JSON.values())
        damaged += [remove_at(body, path) for path in paths(body)]
        damaged += [replace_at(body, path, value) for path in paths(body) for value in wrong_types_at(body, path)]
        for damaged_body in damaged:
            result = read_stations(provider, Payload(request, 200, encoded(damaged_body), NOON))
            assert isinstance(result, Sequence | Request | MeteorographError), result
        original = encoded(body)
        for end in range(len(original)):
            assert type(read_stations(provider, Payload(request, 200, original[:end], NOON))) is PayloadError
            assert isinstance(read_stations(provider, Payload(request, 500, original[:end], NOON)), FetchError)

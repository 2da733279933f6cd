"""Checks of a provider's metadata and requests."""

from __future__ import annotations

from collections.abc import Iterator

from ..model.values import RequestPoint
from ..providers.base import Provider
from ..providers.plugins import find_faults
from .assertions import assert_asks_for, assert_line, assert_sound_request
from .fixtures import BASE_URL, KEY, ODD_KEY, Check, Fixtures, make_check

POINTS = (
    *((latitude, longitude) for latitude in (-90.0, 0.0, -0.0, 90.0) for longitude in (-180.0, -0.0, 0.0, 180.0)),
    *((51.50735, -0.12776), (1e-5, -1e-5), (1e-4, -1e-4), (5e-5, 4e-320), (-89.99999, 179.99999), (33, -94)),
)


def metadata_checks(provider: Provider, fixtures: Fixtures) -> Iterator[Check]:
    """Checks of the metadata and of ``Provider.request``."""
    yield make_check(_the_metadata_can_be_used, provider)
    yield make_check(_the_names_of_the_cases_are_unique, fixtures)
    for latitude, longitude in POINTS:
        point = RequestPoint(latitude, longitude, fixtures.point.station)
        yield make_check(the_request_asks_for_its_point, provider, fixtures, point, case=point)
    yield make_check(_the_request_asks_for_many_points, provider, fixtures)


def _the_metadata_can_be_used(provider: Provider) -> None:
    assert list(find_faults(provider)) == []
    for text in (provider.title, provider.attribution, provider.licence, provider.terms):
        assert_line(text)
    assert provider.title
    assert provider.licence
    assert "https://" in provider.documentation
    assert "https://" in provider.attribution
    assert all(provider.quantities.values()), "a quantity without a unit"


def _the_names_of_the_cases_are_unique(fixtures: Fixtures) -> None:
    for cases in (fixtures.answers, fixtures.refusals, fixtures.batches, fixtures.lookups):
        names = [case.name for case in cases]
        assert len(names) == len(set(names)), sorted(name for name in set(names) if names.count(name) > 1)


def the_request_asks_for_its_point(provider: Provider, fixtures: Fixtures, point: RequestPoint) -> None:
    """The request contains this point or its station, and its units, and does not show the key."""
    base_url = f"{BASE_URL}/base/"
    for key in (KEY, ODD_KEY) if provider.key_setting else ("",):
        request = provider.request(base_url, [point], key)
        assert_sound_request(provider, request, base_url, key)
        assert set(fixtures.units) <= request.params.keys(), "the request relies on default units of the provider"
        if point.station is not None:
            assert point.station in f"{request.url}?{request.params}"
        else:
            assert_asks_for(request.params, [point])


def _the_request_asks_for_many_points(provider: Provider, fixtures: Fixtures) -> None:
    points = [RequestPoint(index / 20 - 40, 3 - index / 20, fixtures.point.station) for index in range(min(provider.most, 1000))]
    request = provider.request(BASE_URL, points, KEY if provider.key_setting else "")
    if fixtures.point.station is None:
        assert_asks_for(request.params, points)

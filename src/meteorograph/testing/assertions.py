"""Assertions for every request, observation and error of a provider, independent of the body."""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import quote, quote_plus

from ..errors import FetchError, PayloadError, QuotaExceededError
from ..model.quantities import QUANTITIES
from ..model.values import Coordinates, Observation, Payload, Request
from ..providers.base import Provider
from ..quality.impossible_values import drop_impossible
from .fixtures import NOON

MAX_TEXT_LENGTH = 400


def assert_sound_request(provider: Provider, request: Request, base_url: str, key: str) -> None:
    """The request goes to the given address, contains the key if one is needed, and does not show the key in any text."""
    assert request.provider == provider.name
    assert request.url.startswith(base_url.rstrip("/") + "/")
    assert "//" not in request.url.partition("://")[2]
    assert "?" not in request.url
    assert list(request.secrets.values()) == ([key] if provider.key_setting else [])
    assert not request.params.keys() & request.secrets.keys()
    texts = (*request.params.values(), *request.headers.values())
    if provider.key_setting:
        for shown in (repr(request), str(request), f"{request}", request.url, *texts):
            assert_no_key(shown, key)
    assert all(type(text) is str and text.isprintable() for text in texts)


def requested_points(params: Mapping[str, str]) -> list[tuple[float, float]]:
    """The points of a request, from ``lat``/``lon``, ``latitude``/``longitude`` or ``query``, as plain decimal numbers."""
    if "query" in params:
        pairs = [tuple(params["query"].split(","))]
    elif "lat" in params:
        pairs = list(zip(params["lat"].split(","), params["lon"].split(","), strict=True))
    else:
        pairs = list(zip(params["latitude"].split(","), params["longitude"].split(","), strict=True))
    for pair in pairs:
        assert len(pair) == 2
        for text in pair:
            assert text.removeprefix("-").replace(".", "", 1).isdecimal(), f"{text!r} is no plain decimal number"
            assert not text.startswith("-0.0") or float(text), "negative zero"
    return [(float(latitude), float(longitude)) for latitude, longitude in pairs]


def assert_asks_for(params: Mapping[str, str], points: Sequence[Coordinates]) -> None:
    """The request contains these points in their order, with 4 decimals and on the earth."""
    requested = requested_points(params)
    assert len(requested) == len(points)
    for (latitude, longitude), point in zip(requested, points, strict=True):
        assert abs(latitude - point.latitude) <= 0.00005001
        assert abs(longitude - point.longitude) <= 0.00005001
        assert abs(latitude) <= 90
        assert abs(longitude) <= 180


def assert_sound_observation(provider: Provider, response: Payload, observation: Observation) -> None:
    """Times are UTC, values are floats of quantities in the metadata, and texts are on one line."""
    assert observation.provider == provider.name
    assert observation.fetched_at == response.fetched_at
    assert observation.observed_at is None or observation.observed_at.utcoffset() == timedelta()
    assert observation.providers == {}
    period = observation.precipitation_period
    assert period is None or (type(period) is int and period > 0)
    assert_line(observation.condition)
    if observation.place is not None:
        where = observation.place.coordinates
        assert -90 <= where.latitude <= 90
        assert -180 <= where.longitude <= 180
        assert_line(observation.place.name)
    assert_checked(observation)
    for quantity in QUANTITIES:
        value = getattr(observation, quantity.name)
        assert value is None or type(value) is (int if quantity.is_code else float)
        assert value is None or quantity.name in provider.quantities, f"{quantity.name} is not in the metadata"


def assert_checked(observation: Observation) -> None:
    """``drop_impossible`` keeps possible values, and replaces impossible values by None and a flag with the value."""
    checked = drop_impossible(observation)
    for quantity in QUANTITIES:
        before, after = getattr(observation, quantity.name), getattr(checked, quantity.name)
        flags = checked.flags.get(quantity.name, [])
        if before is None or quantity.is_possible(before):
            assert after == before
            assert flags == observation.flags.get(quantity.name, [])
        else:
            assert after is None
            assert [flag.partition(":")[0] for flag in flags] == ["impossible"]
            flagged = float(flags[0].partition(":")[2])
            assert flagged == before or math.isclose(flagged, before, rel_tol=1e-14)
        assert after is None or (isinstance(after, int | float) and math.isfinite(after))
    assert checked.flags.keys() <= {"observed_at", *(quantity.name for quantity in QUANTITIES)}
    assert drop_impossible(checked) == checked


def assert_sound_error(provider: Provider, response: Payload, error: FetchError | PayloadError) -> None:
    """The text is one short line that starts with the provider and does not show the key; a ``PayloadError`` has the body."""
    text = str(error)
    assert text.startswith(f"{provider.name}: ")
    assert error.provider == provider.name
    assert_line(text)
    assert len(text) <= MAX_TEXT_LENGTH
    for key in response.request.secrets.values():
        assert_no_key(text, key)
        assert_no_key("".join(traceback.format_exception(error)), key)
    if isinstance(error, PayloadError):
        assert error.body == response.body
    else:
        assert error.status == response.status
    if isinstance(error, QuotaExceededError):
        assert error.retry_at.tzinfo is not None
        assert error.retry_at >= response.fetched_at


def assert_no_key(text: str, key: str) -> None:
    """The key is not in the text, plain or percent-encoded."""
    for form in (key, quote(key, ""), quote_plus(key)):
        assert form not in text


def assert_line(text: str | None) -> None:
    """The text is None, or one non-empty line of printable text."""
    if text is not None:
        assert text.splitlines() == [text]
        assert text.strip() == text
        assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text)


def assert_no_new_values(good: Observation, result: Observation) -> None:
    """Every value of ``result`` equals that of ``good``, is None, or is flagged: a damaged body gives no invented value.

    Precipitation may be that of a shorter period, where a provider gives the amounts of several. A code may be a less significant
    one.
    """
    for quantity in QUANTITIES:
        value = getattr(result, quantity.name)
        is_allowed = value is None or value == getattr(good, quantity.name) or quantity.name in result.flags
        if quantity.name == "precipitation" and result.precipitation_period and good.precipitation_period:
            is_allowed = is_allowed or result.precipitation_period < good.precipitation_period
        if quantity.is_code:  # without the weather of a report, its sky is left
            is_allowed = is_allowed or value < getattr(good, quantity.name)
        assert is_allowed, f"{quantity.name}: {value!r}"
    assert result.observed_at is None or abs(result.observed_at - (good.observed_at or NOON)) < timedelta(minutes=1)
    assert result.place is None or good.place is None or result.place.coordinates == good.place.coordinates


def assert_gives(result: Observation, gives: Mapping[str, object], *, whole: bool = True) -> None:
    """The observation has these fields; with ``whole``, all other quantities are None, except codes, which the words follow."""
    defaults: dict[str, object] = {quantity.name: None for quantity in QUANTITIES if not quantity.is_code} if whole else {}
    for name, value in {**defaults, **gives}.items():
        actual = getattr(result, name)
        is_near = isinstance(value, float) and isinstance(actual, float) and math.isclose(actual, value, abs_tol=1e-4)
        assert is_near or actual == value, f"{name}: {actual!r} instead of {value!r}"

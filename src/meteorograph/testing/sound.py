"""What holds of every request, observation and error of a provider, whatever the body was."""

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

LONGEST_TEXT = 400


def assert_sound_request(provider: Provider, request: Request, base_url: str, key: str) -> None:
    """The request goes to the address it was told, carries the key where one is needed, and shows it in no text."""
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


def asked_points(params: Mapping[str, str]) -> list[tuple[float, float]]:
    """The plain decimal numbers of a request: ``lat`` and ``lon`` (or in full), or the pair in ``query``; lists by commas."""
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
    """The request asks for these points in their order, to 4 decimals and on the earth."""
    asked = asked_points(params)
    assert len(asked) == len(points)
    for (latitude, longitude), point in zip(asked, points, strict=True):
        assert abs(latitude - point.latitude) <= 0.00005001
        assert abs(longitude - point.longitude) <= 0.00005001
        assert abs(latitude) <= 90
        assert abs(longitude) <= 180


def assert_sound_observation(provider: Provider, answered: Payload, observation: Observation) -> None:
    """Times are UTC, numbers are floats of quantities of the metadata, texts are one line, and ``check`` can work on it."""
    assert observation.provider == provider.name
    assert observation.fetched_at == answered.fetched_at
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
        assert value is None or type(value) is float
        assert value is None or quantity.name in provider.quantities, f"{quantity.name} is not in the metadata"


def assert_checked(observation: Observation) -> None:
    """``check`` leaves possible values alone, and replaces each impossible one by None and a flag that tells it."""
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
            told = float(flags[0].partition(":")[2])
            assert told == before or math.isclose(told, before, rel_tol=1e-14)
        assert after is None or (type(after) is float and math.isfinite(after))
    assert checked.flags.keys() <= {quantity.name for quantity in QUANTITIES}
    assert drop_impossible(checked) == checked


def assert_sound_error(provider: Provider, answered: Payload, error: FetchError | PayloadError) -> None:
    """Its text is one short line that begins with the provider and shows no key; a body is kept."""
    text = str(error)
    assert text.startswith(f"{provider.name}: ")
    assert error.provider == provider.name
    assert_line(text)
    assert len(text) <= LONGEST_TEXT
    for key in answered.request.secrets.values():
        assert_no_key(text, key)
        assert_no_key("".join(traceback.format_exception(error)), key)
    if isinstance(error, PayloadError):
        assert error.body == answered.body
    else:
        assert error.status == answered.status
    if isinstance(error, QuotaExceededError):
        assert error.retry_at.tzinfo is not None
        assert error.retry_at >= answered.fetched_at


def assert_no_key(text: str, key: str) -> None:
    """The key is not in the text, plain or percent-encoded."""
    for form in (key, quote(key, ""), quote_plus(key)):
        assert form not in text


def assert_line(text: str | None) -> None:
    """None, or one line of printable text with something on it."""
    if text is not None:
        assert text.splitlines() == [text]
        assert text.strip() == text
        assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text)


def assert_no_new_values(good: Observation, found: Observation) -> None:
    """Every value of ``found`` is that of ``good``, or not given, or flagged: damage to a body makes up nothing."""
    for quantity in QUANTITIES:
        value = getattr(found, quantity.name)
        given = value is None or value == getattr(good, quantity.name) or quantity.name in found.flags
        assert given, f"{quantity.name}: {value!r}"
    assert found.observed_at is None or abs(found.observed_at - (good.observed_at or NOON)) < timedelta(minutes=1)
    assert found.place is None or good.place is None or found.place.coordinates == good.place.coordinates


def assert_gives(found: Observation, gives: Mapping[str, object], *, whole: bool = True) -> None:
    """The observation has these fields; with ``whole``, no other quantity."""
    wanted: dict[str, object] = {quantity.name: None for quantity in QUANTITIES} if whole else {}
    for name, value in {**wanted, **gives}.items():
        given = getattr(found, name)
        near = isinstance(value, float) and isinstance(given, float) and math.isclose(given, value, abs_tol=1e-4)
        assert near or given == value, f"{name}: {given!r} instead of {value!r}"

"""What every provider has to keep, as plain functions, so that a provider from elsewhere can be held to it too.

A provider brings its fixtures (``Fixtures``): bodies written by hand after its contract, and what each must give.
"""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, quote_plus

from meteorograph.check import check
from meteorograph.errors import FetchError, MeteorographError, PayloadError, QuotaExceededError
from meteorograph.providers import Provider
from meteorograph.quantities import QUANTITIES
from meteorograph.values import Observation, Payload, Point
from support import KEY, NOON

POINT = Point(51.5, -0.13)
LONGEST_TEXT = 400

Body = bytes | dict[str, Any] | list[Any] | str | int | float | None


@dataclass(frozen=True)
class Answer:
    """A body and the fields of the observation it must give; a quantity that is not named must be None."""

    name: str
    body: Body
    gives: Mapping[str, object]
    #: Parameters of the request that differ from those of ``Provider.request``.
    params: Mapping[str, str] = field(default_factory=dict)
    #: Whether ``gives`` names every quantity that the body has.
    whole: bool = True


@dataclass(frozen=True)
class Refusal:
    """A body and the error it must raise."""

    name: str
    body: Body
    raises: type[MeteorographError]
    status: int = 200
    #: Words that the text of the error has.
    says: str = ""
    #: For ``QuotaExceededError``: when to ask again.
    retry_at: datetime | None = None
    retry_after: str | None = None
    fetched_at: datetime = NOON


@dataclass(frozen=True)
class Fixtures:
    """All that the suite needs of one provider."""

    #: A body with every field of the contract, in the units that ``Provider.request`` asks for.
    good: dict[str, Any]
    answers: list[Answer]
    refusals: list[Refusal]


def encoded(body: Body) -> bytes:
    """The body as it comes over the wire."""
    return body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()


def payload(
    provider: Provider,
    body: Body,
    *,
    status: int = 200,
    params: Mapping[str, str] | None = None,
    key: str = KEY,
    retry_after: str | None = None,
    fetched_at: datetime = NOON,
) -> Payload:
    """The payload of a call to the provider that was answered with ``body``."""
    request = provider.request("https://provider.invalid", [POINT], key)
    request.params.update(params or {})
    return Payload(request, status, encoded(body), fetched_at, retry_after)


def read(provider: Provider, answered: Payload) -> Observation | FetchError | PayloadError:
    """What the provider's parser makes of a payload, held to the contract; any other exception passes through."""
    try:
        (observation,) = provider.parse(answered)
        assert observation is not None
    except (FetchError, PayloadError) as error:
        assert_sound_error(provider, answered, error)
        return error
    assert_sound_observation(provider, answered, observation)
    return observation


def assert_answer(provider: Provider, answer: Answer) -> Observation:
    """The body gives what it must."""
    found = read(provider, payload(provider, answer.body, params=answer.params))
    assert isinstance(found, Observation), found
    wanted = {quantity.name: None for quantity in QUANTITIES} if answer.whole else {}
    for name, value in {**wanted, **answer.gives}.items():
        given = getattr(found, name)
        near = isinstance(value, float) and isinstance(given, float) and math.isclose(given, value, abs_tol=1e-4)
        assert near or given == value, f"{name}: {given!r} instead of {value!r}"
    return found


def assert_refusal(provider: Provider, refusal: Refusal) -> None:
    """The body raises what it must, of that class and no other."""
    answered = payload(
        provider, refusal.body, status=refusal.status, retry_after=refusal.retry_after, fetched_at=refusal.fetched_at
    )
    found = read(provider, answered)
    assert type(found) is refusal.raises, found
    assert refusal.says in str(found)
    if isinstance(found, QuotaExceededError) and refusal.retry_at is not None:
        assert found.retry_at == refusal.retry_at


def assert_sound_request(provider: Provider, point: Point, key: str = KEY) -> None:
    """The request asks for this point, and shows its key in no text."""
    request = provider.request("https://provider.invalid/base/", [point], key)
    assert request.provider == provider.name
    assert request.url.startswith("https://provider.invalid/base/")
    assert "//" not in request.url.removeprefix("https://")
    assert "?" not in request.url
    assert list(request.secrets.values()) == [key]
    assert not request.params.keys() & request.secrets.keys()
    for shown in (repr(request), str(request), f"{request}", request.url, *request.params.values()):
        assert_no_key(shown, key)
    assert "units" in request.params  # no provider's default is relied on
    latitude, longitude = asked_point(request.params)
    assert abs(latitude - point.latitude) <= 0.00005001
    assert abs(longitude - point.longitude) <= 0.00005001
    assert abs(latitude) <= 90
    assert abs(longitude) <= 180


def asked_point(params: Mapping[str, str]) -> tuple[float, float]:
    """The two plain decimal numbers of a request: ``lat`` and ``lon``, or the pair in ``query``."""
    texts = [params["lat"], params["lon"]] if "lat" in params else params["query"].split(",")
    assert len(texts) == 2
    for text in texts:
        assert text.removeprefix("-").replace(".", "", 1).isdecimal(), f"{text!r} is no plain decimal number"
        assert not text.startswith("-0.0") or float(text), "negative zero"
    return float(texts[0]), float(texts[1])


def assert_sound_observation(provider: Provider, answered: Payload, observation: Observation) -> None:
    """What holds of every observation, whatever the body was."""
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
    checked = check(observation)
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
    assert check(checked) == checked


def assert_sound_error(provider: Provider, answered: Payload, error: FetchError | PayloadError) -> None:
    """What holds of every error, whatever the body was."""
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


Path = tuple[str | int, ...]


def fields(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Every value inside a JSON value with its path, itself first."""
    yield path, value
    if isinstance(value, dict):
        for name, item in value.items():
            yield from fields(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from fields(item, (*path, index))


def changed(value: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """A copy of a JSON value with the one at ``path`` changed."""
    if not path:
        return change(value)
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], change)
    return copy


def replaced(value: Any, path: Path, by: object) -> Any:
    """A copy of a JSON value with ``by`` at ``path``."""
    return changed(value, path, lambda _: by)


def without(value: Any, path: Path) -> Any:
    """A copy of a JSON value without the one at ``path``."""

    def drop(container: Any) -> Any:
        if isinstance(container, dict):
            return {name: item for name, item in container.items() if name != path[-1]}
        return [item for index, item in enumerate(container) if index != path[-1]]

    return changed(value, path[:-1], drop)


def with_in_every_text(value: Any, text: str) -> Any:
    """A copy of a JSON value in which every text ends in ``text``, ``units`` and such included."""
    if isinstance(value, dict):
        return {name: with_in_every_text(item, text) for name, item in value.items()}
    if isinstance(value, list):
        return [with_in_every_text(item, text) for item in value]
    return f"{value} {text}" if isinstance(value, str) else value


def unix(*at: int) -> int:
    """The Unix time [s] of a UTC calendar time."""
    return int(datetime(*at, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]  # year, month, day, …

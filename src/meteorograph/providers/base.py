"""The definition of a provider: metadata and two pure functions. A new provider needs one new module."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from urllib.parse import quote, quote_plus

import msgspec

from ..errors import PayloadError
from ..model.quantities import QUANTITIES
from ..model.values import AnsweredPlace, Coordinates, Observation, Payload, Request, RequestPoint, Station

#: Exceptions that decoding raises: for a body of another shape, invalid text, or too deep nesting.
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

#: The largest ``Provider.max_age``: half a day ago, the weather is another.
OLDEST_MAX_AGE: Final = timedelta(hours=12)

Method = Literal["measured", "modelled", "blended", "forecast"]


@dataclass(frozen=True, slots=True)
class Stations:
    """How to find the stations around a point, for a provider that answers by station."""

    #: The first request: ``request(base_url, point)``.
    request: Callable[[str, Coordinates], Request]
    #: Parses an answer into the stations, nearest first (or the only one), or the next request; raises
    #: ``PermanentFetchError`` if there is no station.
    parse: Callable[[Payload], Sequence[Station] | Station | Request]


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a history: observations with ``observed_at``, oldest first. It may contain hours outside of the request."""

    observations: Sequence[Observation]
    #: Start of the next page, which may be after the requested end; None on the last page.
    next_start: datetime | None = None


@dataclass(frozen=True, slots=True)
class History:
    """An interface of a provider for the weather of past hours."""

    #: Name of its account in quotas, accounts and logs; the provider's name if both share one account.
    account: str
    #: Makes the request for the hours ``start <= t <= end`` at a point: ``request(base_url, point, start, end, key)``.
    request: Callable[[str, RequestPoint, datetime, datetime, str], Request]
    #: Parses an answer, or raises ``FetchError`` or ``PayloadError`` with the reason from the body.
    parse: Callable[[Payload], Page]
    #: Calls that the provider charges for the hours from ``start`` to ``end``, for all pages together.
    cost: Callable[[datetime, datetime], int]
    #: Longest time range of one request.
    span: timedelta
    #: How far back it reaches; None for no limit.
    reach: timedelta | None = None
    #: Time after an hour until its data are available.
    delay: timedelta = timedelta(0)
    #: Prefix of its own settings, if it has any (``Provider.setting``).
    setting: str | None = None
    #: Its own address; None for the provider's address.
    base_url: str | None = None
    #: Quota windows of its own account, as in ``Provider.windows``.
    windows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Provider:
    """An API that Meteorograph calls: its metadata and pure functions."""

    #: Name in settings, rows and logs.
    name: str
    #: The provider's own name for itself.
    title: str
    #: Address of its documentation.
    documentation: str
    #: Text that its terms require next to its data.
    attribution: str
    #: Licence of its data.
    licence: str
    #: How its values are made.
    method: Method
    #: Quantities that it can give (names of ``quantities.py``), each with the unit in its answers.
    quantities: Mapping[str, str]
    #: Prefix of its settings: ``METEOROGRAPH_<setting>_BASE_URL``, ``METEOROGRAPH_<setting>_CALLS_PER_<WINDOW>``.
    setting: str
    #: Its address, which a setting can replace.
    base_url: str
    #: Window (``quota.WINDOWS``) → calls that an account of the free plan may make.
    windows: Mapping[str, int]
    #: Makes the request for the current weather at ``most`` points or fewer: ``request(base_url, points, key)``.
    request: Callable[[str, Sequence[RequestPoint], str], Request]
    #: Parses an answer: an observation for each point, in the order of the points; None for a point without data, and a
    #: ``PayloadError`` for one whose part of the answer cannot be read. Or raises ``FetchError`` or ``PayloadError`` with the
    #: reason from the body. The current time is ``Payload.fetched_at``.
    parse: Callable[[Payload], Sequence[Observation | PayloadError | None]]
    #: Environment variable of its key; None if it needs no key: then ``key`` is an empty text.
    key_setting: str | None = None
    #: Most points of one request.
    most: int = 1
    #: Calls that the provider charges for one point.
    cost: float = 1.0
    #: Most concurrent requests; None for the limit of the settings.
    at_once: int | None = None
    #: Time zone of its calendar windows.
    quota_zone: str = "UTC"
    #: What users must know about its terms; logged once at the start.
    terms: str | None = None
    #: How old the observation of an answer may be when it is fetched. An older one does not describe the weather now. At least a
    #: minute, and at most ``OLDEST_MAX_AGE``.
    max_age: timedelta = timedelta(hours=3)
    #: Whether answers are used again until ``Expires``, and requested with ``If-Modified-Since`` after that.
    caches: bool = False
    #: The warning for the operator in an answer, such as the end of an interface; None for an answer without a warning.
    notice: Callable[[Payload], str | None] | None = None
    stations: Stations | None = None
    #: Histories, the best first.
    history: tuple[History, ...] = ()


class Amount(msgspec.Struct, gc=False):
    """An OpenWeatherMap-style amount of rain or snow by period: ``{"1h": 0.5}`` [mm]."""

    one_hour: float | None = msgspec.field(name="1h", default=None)
    three_hours: float | None = msgspec.field(name="3h", default=None)


def from_unix(seconds: float | None) -> datetime | None:
    """The instant (aware UTC) of a Unix time [s]; None for None and for a time outside of the calendar."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def from_iso(text: str | None) -> datetime | None:
    """The instant (aware UTC) of an ISO 8601 time with a time zone; None for None and for any other text."""
    try:
        at = datetime.fromisoformat(text or "")
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def degrees(value: float) -> str:
    """A coordinate for a query string, with 4 decimals: about ten metres, finer than the grid of any provider."""
    return repr(round(float(value), 4) + 0.0)  # the sum turns -0.0 into 0.0


def error_code(value: int | str | None) -> int | None:
    """A provider's error number, given as a number or a text; None for anything that is no error number."""
    try:
        code = int(value or 0)
    except ValueError:
        return None
    return code if 0 < code < 1_000_000 else None


def place_at(latitude: float | None, longitude: float | None, name: str | None) -> AnsweredPlace | None:
    """The place of an answer; None unless its coordinates are a point on the earth."""
    if latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None
    return AnsweredPlace(Coordinates(latitude, longitude), one_line(name))


def place_of(position: Sequence[float | None] | None, name: str | None, numbers: int = 2) -> AnsweredPlace | None:
    """The place of a GeoJSON position, longitude first; None unless the position has ``numbers`` numbers."""
    return place_at(position[1], position[0], name) if position and len(position) == numbers else None


def has_values(observation: Observation) -> bool:
    """Whether an observation has a value of any quantity. Words and codes of the weather alone are no observation."""
    return any(getattr(observation, quantity.name) is not None for quantity in QUANTITIES if not quantity.is_code)


def one_line(text: str | None) -> str | None:
    """A provider's text on one line, without control characters (PostgreSQL refuses NUL); None for an empty text."""
    if not text:
        return None
    if text.isprintable() and text[0] != " " != text[-1] and "  " not in text:  # nearly always
        return text
    return " ".join(_CONTROL.sub(" ", text).split()) or None


def quoted(payload: Payload, *words: str | None) -> str:
    """A provider's own words on one line of at most 300 characters, without the key if the provider repeats it."""
    line = one_line(" - ".join(word for word in words if word)) or ""
    for secret in payload.request.secrets.values():
        for form in (secret, quote(secret, ""), quote_plus(secret)):
            line = line.replace(form, "[redacted]") if form else line
    return line[:300].rstrip()


def unreadable(provider: str, payload: Payload, cause: Exception | None = None) -> PayloadError:
    """The error for a body that violates the provider's contract; its text describes the body."""
    start = payload.body[:200].lstrip()
    if not start:
        what = "an empty body"
    elif start[:1] == b"<":
        what = "a page of HTML or XML"
    else:
        what = f"an unexpected body ({quoted(payload, str(cause))})" if cause else "an unexpected body"
    return PayloadError(provider, f"HTTP {payload.status} with {what}, {len(payload.body)} bytes", payload.body)

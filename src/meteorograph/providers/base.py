"""What a provider is: metadata and two pure functions, so that adding one touches one module."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from urllib.parse import quote, quote_plus

import msgspec

from ..errors import PayloadError
from ..model.values import AnsweredPlace, Coordinates, Observation, Payload, Request, RequestPoint, Station

#: What decoding raises for a body that does not fit, is no text, or is nested beyond all measure.
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


Method = Literal["measured", "modelled", "blended", "forecast"]


@dataclass(frozen=True, slots=True)
class Stations:
    """How a provider that answers by station tells which one is for a point; asked once for each location."""

    #: The first request: ``request(base_url, point)``.
    request: Callable[[str, Coordinates], Request]
    #: Reads an answer: the station, or the next request to make; ``PermanentFetchError`` where there is no station.
    parse: Callable[[Payload], Station | Request]


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a history: observations with ``observed_at``, oldest first, which may be of other hours too."""

    observations: Sequence[Observation]
    #: Where the next page starts, if need be past the end that was asked for; None on the last one.
    next_start: datetime | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Where a provider gives the weather of past hours."""

    #: The word for it in quotas, accounts and logs; the provider's name where they share one account.
    account: str
    #: Makes the request for the hours ``start <= t <= end`` at a point: ``request(base_url, point, start, end, key)``.
    request: Callable[[str, RequestPoint, datetime, datetime, str], Request]
    #: Reads an answer, or raises ``FetchError`` or ``PayloadError`` with the reason from the body.
    parse: Callable[[Payload], Page]
    #: Calls that are charged for the hours from ``start`` to ``end``, all pages together.
    cost: Callable[[datetime, datetime], int]
    #: Longest stretch of one request.
    span: timedelta
    #: How far back it goes; None for as far as anybody asks.
    reach: timedelta | None = None
    #: How long after an hour its data are there.
    delay: timedelta = timedelta(0)
    #: Prefix of its own settings, where it has some (``Provider.setting``).
    setting: str | None = None
    #: Address of its own; None for the provider's.
    base_url: str | None = None
    #: Windows of its own account, as in ``Provider.windows``.
    windows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Provider:
    """One API that Meteorograph calls: all that there is to know of it, and pure functions."""

    #: The word for it in settings, rows and logs.
    name: str
    #: The name it gives itself.
    title: str
    #: Where its contract is described.
    documentation: str
    #: What its terms ask to be shown next to its data.
    attribution: str
    #: The licence of its data.
    licence: str
    #: How its values come about.
    method: Method
    #: Quantities it can give (names of ``quantities.py``), each with the unit it comes in.
    quantities: Mapping[str, str]
    #: Prefix of its settings: ``METEOROGRAPH_<setting>_BASE_URL``, ``METEOROGRAPH_<setting>_CALLS_PER_<WINDOW>``.
    setting: str
    #: Where it is called unless the settings say otherwise.
    base_url: str
    #: Calls that an account may make by window (``quota.WINDOWS``), of the plan that costs nothing.
    windows: Mapping[str, int]
    #: Makes the request for the weather at some points now: ``request(base_url, points, key)``; at most ``most`` points.
    request: Callable[[str, Sequence[RequestPoint], str], Request]
    #: Reads an answer: what it has for each point, in their order, None for nothing; or raises ``FetchError`` or
    #: ``PayloadError`` with the reason from the body. The time now is ``Payload.fetched_at``.
    parse: Callable[[Payload], Sequence[Observation | None]]
    #: Environment variable that holds its key; None where it needs none, and ``key`` is an empty text.
    key_setting: str | None = None
    #: Points of one request at most.
    most: int = 1
    #: Calls that are charged for one point.
    cost: float = 1.0
    #: Requests that may be under way at once; None for as many as the settings allow.
    at_once: int | None = None
    #: The zone of its calendar windows.
    quota_zone: str = "UTC"
    #: What a user must know of its terms before using it; said once at the start.
    terms: str | None = None
    #: Whether answers may be used again until ``Expires``, and are asked for with ``If-Modified-Since`` after that.
    caches: bool = False
    #: A warning for the operator that an answer carries, such as the end of an interface; None where it carries none.
    notice: Callable[[Payload], str | None] | None = None
    stations: Stations | None = None
    #: Best first.
    history: tuple[History, ...] = ()


class Amount(msgspec.Struct, gc=False):
    """An OpenWeatherMap-style amount of rain or snow by period: ``{"1h": 0.5}`` [mm]."""

    one_hour: float | None = msgspec.field(name="1h", default=None)
    three_hours: float | None = msgspec.field(name="3h", default=None)


def from_unix(seconds: float | None) -> datetime | None:
    """The instant (aware UTC) of a Unix time [s]; None for None and for what no calendar holds."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def from_iso(text: str | None) -> datetime | None:
    """The instant (aware UTC) of an ISO 8601 time that names its zone; None for None and for anything else."""
    try:
        at = datetime.fromisoformat(text or "")
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def degrees(value: float) -> str:
    """A coordinate for a query string, to 4 decimals: some ten metres, finer than any provider resolves."""
    return repr(round(float(value), 4) + 0.0)  # the sum makes 0.0 of -0.0


def error_code(value: int | str | None) -> int | None:
    """A provider's error number, which comes as a number or as text; None for what cannot be one."""
    try:
        code = int(value or 0)
    except ValueError:
        return None
    return code if 0 < code < 1_000_000 else None


def place_at(latitude: float | None, longitude: float | None, name: str | None) -> AnsweredPlace | None:
    """The place a provider answered for; None unless its coordinates are a point on the earth."""
    if latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None
    return AnsweredPlace(Coordinates(latitude, longitude), one_line(name))


def place_of(position: Sequence[float | None] | None, name: str | None, numbers: int = 2) -> AnsweredPlace | None:
    """The place of a GeoJSON position, longitude first; None unless it has so many numbers."""
    return place_at(position[1], position[0], name) if position and len(position) == numbers else None


def one_line(text: str | None) -> str | None:
    """A provider's text on one line, without control characters (PostgreSQL takes no NUL); None for nothing."""
    if not text:
        return None
    if text.isprintable() and text[0] != " " != text[-1] and "  " not in text:  # as it is, nearly always
        return text
    return " ".join(_CONTROL.sub(" ", text).split()) or None


def quoted(payload: Payload, *words: str | None) -> str:
    """A provider's own words on one line of at most 300 characters, without the key should it repeat it."""
    line = one_line(" - ".join(word for word in words if word)) or ""
    for secret in payload.request.secrets.values():
        for form in (secret, quote(secret, ""), quote_plus(secret)):
            line = line.replace(form, "[redacted]") if form else line
    return line[:300].rstrip()


def unreadable(provider: str, payload: Payload, cause: Exception | None = None) -> PayloadError:
    """The error for a body that is not what the contract promises; its text says what came instead."""
    start = payload.body[:200].lstrip()
    if not start:
        what = "an empty body"
    elif start[:1] == b"<":
        what = "a page of HTML or XML"
    else:
        what = f"an unexpected body ({quoted(payload, str(cause))})" if cause else "an unexpected body"
    return PayloadError(provider, f"HTTP {payload.status} with {what}, {len(payload.body)} bytes", payload.body)

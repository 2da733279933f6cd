"""What a provider is: metadata and two pure functions, so that adding one touches one module."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, quote_plus

import msgspec

from ..errors import PayloadError
from ..values import Coordinates, Observation, Payload, Place, Request

#: What decoding raises for a body that does not fit, is no text, or is nested beyond all measure.
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Provider:
    """One API that Meteorograph calls."""

    #: The word for it in settings, rows and logs.
    name: str
    #: The name it gives itself.
    title: str
    #: Where its contract is described.
    documentation: str
    #: What its terms ask to be shown next to its data.
    attribution: str
    #: Quantities it can give (names of ``quantities.py``).
    quantities: frozenset[str]
    #: Environment variable that holds its key.
    key_setting: str
    #: Makes the request for a point: ``request(base_url, coordinates, key)``.
    request: Callable[[str, Coordinates, str], Request]
    #: Reads an answer, or raises ``FetchError`` or ``PayloadError`` with the reason from the body.
    parse: Callable[[Payload], Observation]


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


def place_at(latitude: float | None, longitude: float | None, name: str | None) -> Place | None:
    """The place a provider answered for; None unless its coordinates are a point on the earth."""
    if latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None
    return Place(Coordinates(latitude, longitude), one_line(name))


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

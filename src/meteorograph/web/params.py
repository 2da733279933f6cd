"""Query parameters that several routes share. An invalid one raises ``BadInputError``, which gives a 400."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from flask import request

from ..errors import BadInputError
from ..model import clock, time_range
from ..model.units import Units, parse_units

_CURSOR = "must be the `next` of a previous answer"

#: A space in the place of the sign of an offset.
_LOST_PLUS: Final = re.compile(r" (?=\d\d:?(\d\d)?(\[|$))")

#: Most entries of an answer.
MAX_LIMIT: Final = 1000


def refuse_unknown(known: Sequence[str], repeated: Sequence[str] = ()) -> None:
    """Refuse parameters that are not in ``known``, or are given twice and not in ``repeated``."""
    for name, values in request.args.lists():
        if name not in known:
            raise BadInputError(name, values[0], f"is unknown; use {', '.join(known)}")
        if len(values) > 1 and name not in repeated:
            raise BadInputError(name, ", ".join(values), "must be given once")


def limit(default: int = 100) -> int:
    """The parameter ``limit``: most entries of an answer."""
    text = request.args.get("limit", str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_LIMIT):
        raise BadInputError("limit", text, f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def word(name: str, allowed: Sequence[str]) -> str | None:
    """A parameter that is one of the allowed words; None if it is not selected."""
    text = request.args.get(name)
    if text is not None and text not in allowed:
        raise BadInputError(name, text, f"must be one of {'; '.join(allowed) if ',' in ''.join(allowed) else ', '.join(allowed)}")
    return text


def time_text(name: str) -> str | None:
    """A time as text. An unencoded plus sign arrives as a space in a query string; few clients encode it, so it is restored.

    A space may also stand before the name of a zone, or between date and time.
    """
    text = request.args.get(name)
    return _LOST_PLUS.sub("+", text) if text and "T" in text else text


def instant(name: str) -> datetime | None:
    """An instant (aware UTC), or a duration back from now; None if it is not selected."""
    return _moment(name, clock.now())


def period(length: timedelta) -> tuple[datetime, datetime]:
    """``start`` and ``end`` (aware UTC), each an instant or a duration back from now; without them the last ``length``."""
    now = clock.now()
    try:
        return time_range.resolve_range(_moment("start", now), _moment("end", now), now, length)
    except ValueError as error:
        raise BadInputError("start", request.args.get("start"), str(error)) from None


def _moment(name: str, now: datetime) -> datetime | None:
    text = time_text(name)
    try:
        return None if text is None else time_range.parse_instant(text, now)
    except ValueError as error:
        raise BadInputError(name, request.args[name], str(error)) from None


def names(name: str, known: Sequence[str]) -> tuple[str, ...]:
    """Names from a list, separated by commas; all if the parameter is not selected."""
    text = request.args.get(name)
    if text is None:
        return tuple(known)
    selected = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not selected or set(selected) - set(known):
        raise BadInputError(name, text, f"must be some of {', '.join(known)}, separated by commas")
    return selected


def is_spreadsheet_safe() -> bool:
    """The parameter ``safe``: whether CSV is for a spreadsheet program, which would run texts that begin like formulas."""
    return word("safe", ("spreadsheet",)) is not None


def units() -> Units:
    """The parameter ``units``; metric if it is not selected."""
    text = request.args.get("units", "metric")
    try:
        return parse_units(text)
    except ValueError as error:
        raise BadInputError("units", text, str(error)) from None


def zone() -> tzinfo:
    """The parameter ``zone``: time zone of the times in the answer; UTC if it is not selected."""
    text = request.args.get("zone", "UTC")
    if not is_zone(text):
        raise BadInputError("zone", text, "must be an IANA time zone such as Europe/Dublin")
    return UTC if text == "UTC" else ZoneInfo(text)


def is_zone(text: str) -> bool:
    """Whether this is the name of an IANA time zone."""
    return text in _zones()


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def cursor(plain: str) -> str:
    """Encode a position as a cursor."""
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def after(name: str = "cursor") -> str | None:
    """The position in the parameter ``cursor``, or one of another name; None if it is not selected."""
    text = request.args.get(name)
    if text is None:
        return None
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (ValueError, binascii.Error):
        raise BadInputError(name, text, _CURSOR) from None
    if not plain or "\0" in plain:  # the database takes no NUL
        raise BadInputError(name, text, _CURSOR)
    return plain


def after_id(name: str = "cursor") -> int | None:
    """The id in the parameter ``cursor``, or one of another name; None if it is not selected."""
    plain = after(name)
    if plain is None:
        return None
    if not (plain.isascii() and plain.isdigit() and len(plain) < 19):
        raise BadInputError(name, request.args[name], _CURSOR)
    return int(plain)


def place_cursor(at: datetime, id_: int) -> str:
    """The cursor of the entry with this instant and id."""
    return cursor(f"{at.isoformat()}/{id_}")


def after_place() -> tuple[datetime, int] | None:
    """The instant (aware UTC) and the id in the parameter ``cursor``; None if it is not selected."""
    plain = after()
    if plain is None:
        return None
    try:
        text, number = plain.split("/")
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or not 0 <= int(number) < 2**63:
            raise ValueError(plain)
        return moment.astimezone(UTC), int(number)
    except (ValueError, OverflowError):
        raise BadInputError("cursor", request.args["cursor"], _CURSOR) from None

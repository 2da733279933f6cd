"""What the fields of a location may be: each is checked and brought into one form. Pure."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final
from zoneinfo import available_timezones

from ..errors import FieldError, InvalidLocationError
from ..model.schedule import parse_schedule
from ..model.states import LocationState

#: The fields that a user gives, in the order of a file's columns.
FIELDS: Final = ("name", "latitude", "longitude", "elevation", "timezone", "schedule", "tags")
REQUIRED: Final = FIELDS[:3]
#: What may be changed of one that is there; another place is another location.
CHANGEABLE: Final = ("state", *FIELDS[3:])

#: Collected on schedule; not for the time being; on demand only, or there for its data only.
LOCATION_STATES: Final = tuple(state.value for state in LocationState)

#: What separates tags where they stand in one text.
TAG_SEPARATOR: Final = ";"

_LONGEST_NAME: Final = 200
_LONGEST_SCHEDULE: Final = 100
_LONGEST_TAG: Final = 50
_MOST_TAGS: Final = 50
#: Control characters, halves of surrogate pairs, and the two separators that end a line.
_CONTROL: Final = ("Cc", "Cs", "Zl", "Zp")

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def parse_cell(field: str, text: str) -> object:
    """What a cell of a table means: a number, a list of tags, a text; None for an empty one. It is not checked yet."""
    text = text.strip()
    if not text:
        return None
    if field in ("latitude", "longitude", "elevation"):
        return float(text) if _NUMBER.fullmatch(text) else text
    return text.split(TAG_SEPARATOR) if field == "tags" else text


def check_fields(
    given: Mapping[str, object], known: Sequence[str] = FIELDS, required: Sequence[str] = REQUIRED
) -> dict[str, Any]:
    """The fields that are given, each in its one form: texts stripped, tags sorted, empty ones None.

    Raises:
        InvalidLocationError: With every field that is wrong, missing or unknown.
    """
    errors: list[FieldError] = []
    taken: dict[str, Any] = {}
    for field, value in given.items():
        if field not in known:
            errors.append(FieldError(field, value, f"is not known here; {', '.join(known)} are"))
            continue
        try:
            taken[field] = _CHECKS[field](value)
        except ValueError as error:
            errors.append(FieldError(field, value, f"{error}{_swapped(field, given)}"))
    errors += [FieldError(field, None, "it must be given") for field in required if field not in given]
    if errors:
        raise InvalidLocationError(errors)
    return taken


def _swapped(field: str, given: Mapping[str, object]) -> str:
    """A hint for a latitude that would be a longitude, beside a longitude that would be a latitude."""
    if field == "latitude":
        lat, lon = given.get("latitude"), given.get("longitude")
        if isinstance(lat, int | float) and isinstance(lon, int | float) and 90 < abs(lat) <= 180 and abs(lon) <= 90:
            return "; are latitude and longitude swapped?"
    return ""


def _text(value: object, longest: int, allowed: str) -> str:
    if not isinstance(value, str):
        raise ValueError(allowed)
    text = value.strip()
    plain = text.isprintable() or not any(unicodedata.category(character) in _CONTROL for character in text)
    if not text or len(text) > longest or not plain:
        raise ValueError(allowed)
    return text


def _name(value: object) -> str:
    return _text(value, _LONGEST_NAME, f"must be a text of 1 to {_LONGEST_NAME} characters, none of them a control character")


def _between(low: float, high: float, *, empty: bool = False) -> Callable[[object], float | None]:
    allowed = f"must be a number from {low:g} to {high:g}{' or nothing' if empty else ''}"

    def check(value: object) -> float | None:
        if value is None and empty:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high or not math.isfinite(value):
            raise ValueError(allowed)
        return float(value)

    return check


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or value.strip() not in _zones():
        raise ValueError("must be an IANA time zone such as Europe/Dublin or nothing")
    return value.strip()


def _schedule(value: object) -> str | None:
    if value is None:
        return None
    text = _text(
        value, _LONGEST_SCHEDULE, f"must be a schedule of at most {_LONGEST_SCHEDULE} characters, such as 15m, or nothing"
    )
    parse_schedule(text)
    return text


def _tags(value: object) -> list[str] | None:
    if value is None:
        return None
    allowed = (
        f"must be at most {_MOST_TAGS} tags of 1 to {_LONGEST_TAG} characters, without '{TAG_SEPARATOR}' or control characters"
    )
    if not isinstance(value, list | tuple):
        raise ValueError(f"{allowed}, in a list")
    tags = sorted({_text(tag, _LONGEST_TAG, allowed) for tag in value})
    if len(tags) > _MOST_TAGS or any(TAG_SEPARATOR in tag for tag in tags):
        raise ValueError(allowed)
    return tags or None


def _state(value: object) -> str:
    if value not in (LocationState.ACTIVE, LocationState.PAUSED):
        raise ValueError("must be active or paused")
    return str(value)


_CHECKS: Final[dict[str, Callable[[object], Any]]] = {
    "name": _name,
    "latitude": _between(-90, 90),
    "longitude": _between(-180, 180),
    "elevation": _between(-500, 9000, empty=True),
    "timezone": _zone,
    "schedule": _schedule,
    "tags": _tags,
    "state": _state,
}

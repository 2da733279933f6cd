"""The fields of a location: which values are valid, and their canonical form. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Final
from zoneinfo import available_timezones

from ..errors import FieldError, InvalidLocationError
from ..model.names import is_plain, normalise_name
from ..model.schedule import parse_schedule
from ..model.states import LocationState


@dataclass(frozen=True, slots=True)
class LocationFields:
    """The fields of a location that a user sets, in the order of a file's columns."""

    name: str
    #: [degree north]
    latitude: float
    #: [degree east]
    longitude: float
    #: Height above sea level [m].
    elevation: float | None = None
    #: IANA name of the time zone.
    timezone: str | None = None
    #: Text of the location's own schedule; None follows the default of the settings.
    schedule: str | None = None
    tags: list[str] | None = None


#: Names of the fields.
FIELDS: Final = tuple(field.name for field in fields(LocationFields))
REQUIRED: Final = FIELDS[:3]
#: The fields that can be changed later. Other coordinates make another location.
CHANGEABLE: Final = ("name", "state", *FIELDS[3:])

#: All states of a location.
LOCATION_STATES: Final = tuple(state.value for state in LocationState)

#: Separates the tags in a cell of a CSV file.
TAG_SEPARATOR: Final = ";"

_MAX_NAME_LENGTH: Final = 200
_MAX_SCHEDULE_LENGTH: Final = 100
_MAX_TAG_LENGTH: Final = 50
_MAX_TAGS: Final = 50
_NUMBER_PATTERN: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def parse_cell(field: str, text: str) -> object:
    """Convert a cell of a CSV file to a number, a list of tags or a text; None if the cell is empty. Checks nothing."""
    text = text.strip()
    if not text:
        return None
    if field in ("latitude", "longitude", "elevation"):
        return float(text) if _NUMBER_PATTERN.fullmatch(text) else text
    return split_tags(text) if field == "tags" else text


def split_tags(text: str) -> list[str]:
    """The tags of a text: separated by semicolons, or by commas where it has no semicolon."""
    if TAG_SEPARATOR in text:
        return text.removesuffix(TAG_SEPARATOR).split(TAG_SEPARATOR)
    return [tag for tag in text.split(",") if tag.strip()]


def join_tags(tags: Sequence[str]) -> str:
    """The text from which ``split_tags`` gets these tags."""
    return TAG_SEPARATOR.join(tags) + (TAG_SEPARATOR if len(tags) == 1 and "," in tags[0] else "")


def check_fields(
    values: Mapping[str, object], allowed: Sequence[str] = FIELDS, required: Sequence[str] = REQUIRED
) -> dict[str, Any]:
    """Check values by field name and return them in canonical form: texts stripped, tags sorted, no tags as None.

    A field without a value in ``values`` has none in the result, so that a partial change stays partial.

    Raises:
        InvalidLocationError: With every field that is wrong, missing or unknown.
    """
    errors: list[FieldError] = []
    checked: dict[str, Any] = {}
    for field, value in values.items():
        if field not in allowed:
            errors.append(FieldError(field, value, f"is unknown; use {', '.join(allowed)}"))
            continue
        try:
            checked[field] = _CHECKS[field](value)
        except ValueError as error:
            errors.append(FieldError(field, value, f"{error}{_swap_hint(field, values)}"))
    errors += [FieldError(field, None, "it is required") for field in required if field not in values]
    if errors:
        raise InvalidLocationError(errors)
    return checked


def _swap_hint(field: str, values: Mapping[str, object]) -> str:
    """A hint for coordinates that are only valid the other way round."""
    if field == "latitude":
        lat, lon = values.get("latitude"), values.get("longitude")
        if isinstance(lat, int | float) and isinstance(lon, int | float) and 90 < abs(lat) <= 180 and abs(lon) <= 90:
            return "; are latitude and longitude swapped?"
    return ""


def _check_text(value: object, max_length: int, allowed: str) -> str:
    if not isinstance(value, str):
        raise ValueError(allowed)
    text = value.strip()
    if not text or len(text) > max_length or not is_plain(text):
        raise ValueError(allowed)
    return text


def _check_name(value: object) -> str:
    name = _check_text(
        normalise_name(value) if isinstance(value, str) else value,
        _MAX_NAME_LENGTH,
        f"must be a text of 1 to {_MAX_NAME_LENGTH} characters, none of them a control character",
    )
    if name in (".", ".."):
        raise ValueError("must not be . or .., which clients take out of the address of a location")
    return name


def _number_check(low: float, high: float, *, is_optional: bool = False) -> Callable[[object], float | None]:
    allowed = f"must be a number from {low:g} to {high:g}{' or nothing' if is_optional else ''}"

    def check(value: object) -> float | None:
        if value is None and is_optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high or not math.isfinite(value):
            raise ValueError(allowed)
        return float(value)

    return check


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def _check_zone(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or value.strip() not in _zone_names():
        raise ValueError("must be an IANA time zone such as Europe/Dublin or nothing")
    return value.strip()


def _check_schedule(value: object) -> str | None:
    if value is None:
        return None
    text = _check_text(
        value, _MAX_SCHEDULE_LENGTH, f"must be a schedule of at most {_MAX_SCHEDULE_LENGTH} characters, such as 15m, or nothing"
    )
    parse_schedule(text)
    return text


def _check_tags(value: object) -> list[str] | None:
    if value is None:
        return None
    allowed = (
        f"must be at most {_MAX_TAGS} tags of 1 to {_MAX_TAG_LENGTH} characters, without '{TAG_SEPARATOR}' or control characters"
    )
    if not isinstance(value, list | tuple):
        raise ValueError(f"{allowed}, in a list")
    tags = sorted({_check_text(tag, _MAX_TAG_LENGTH, allowed) for tag in value})
    if len(tags) > _MAX_TAGS or any(TAG_SEPARATOR in tag for tag in tags):
        raise ValueError(allowed)
    return tags or None


def _check_state(value: object) -> str:
    if value not in (LocationState.ACTIVE, LocationState.PAUSED):
        raise ValueError("must be active or paused")
    return str(value)


_CHECKS: Final[dict[str, Callable[[object], Any]]] = {
    "name": _check_name,
    "latitude": _number_check(-90, 90),
    "longitude": _number_check(-180, 180),
    "elevation": _number_check(-500, 9000, is_optional=True),
    "timezone": _check_zone,
    "schedule": _check_schedule,
    "tags": _check_tags,
    "state": _check_state,
}

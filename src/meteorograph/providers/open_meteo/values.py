"""Values of Open-Meteo: an observation from the values of one instant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from ...errors import PayloadError
from ...model.units import fahrenheit_to_celsius
from ...model.values import Observation, Payload
from ..base import from_unix, place_at, unreadable
from ..lenient import Unreadable, flag_unreadable, flags_of_unreadable, is_nan, read_number
from ..weather_codes import code_in_table
from .bodies import Body, Value
from .common import NAME, PRECIPITATION, VARIABLES, WEATHER_CODE

#: The codes of WMO table 4677 that Open-Meteo uses, in the words of its documentation.
_WORDS: Final = {
    **{0: "clear sky", 1: "mainly clear", 2: "partly cloudy", 3: "overcast", 45: "fog", 48: "depositing rime fog"},
    **{51: "light drizzle", 53: "moderate drizzle", 55: "dense drizzle"},
    **{56: "light freezing drizzle", 57: "dense freezing drizzle"},
    **{61: "slight rain", 63: "moderate rain", 65: "heavy rain", 66: "light freezing rain", 67: "heavy freezing rain"},
    **{71: "slight snow fall", 73: "moderate snow fall", 75: "heavy snow fall", 77: "snow grains"},
    **{80: "slight rain showers", 81: "moderate rain showers", 82: "violent rain showers"},
    **{85: "slight snow showers", 86: "heavy snow showers"},
    **{95: "thunderstorm", 96: "thunderstorm with slight hail", 99: "thunderstorm with heavy hail"},
}

#: Section → path of a member → the quantity that it gives.
_FIELDS: Final = {
    section: {f"{section}.{variable}": quantity for variable, (quantity, _) in VARIABLES.items()}
    | {f"{section}.time": timed, f"{section}.{WEATHER_CODE}": "weather_code"}
    for section, timed in (("current", "observed_at"), ("minutely_15", "precipitation"), ("hourly", "observed_at"))
}


class Precipitation(msgspec.Struct, frozen=True, gc=False):
    """An amount [mm], and the length of its period [s]; None if the length is not known."""

    amount: float
    seconds: int | None


def make_observation(
    payload: Payload,
    body: Body,
    row: Mapping[str, Value],
    units: Mapping[str, str | None],
    at: datetime | None,
    precipitation: Precipitation | None,
    flags: dict[str, list[str]],
) -> Observation | None:
    """The observation of one instant; None without any value.

    A value that cannot be read, or has a unit that its variable cannot have, is left out with a flag.

    Args:
        payload: The payload of the answer.
        body: The answer for the point.
        row: The values of the variables.
        units: The units of the variables.
        at: The instant.
        precipitation: The amount of a period that ends at the instant.
        flags: The flags of members that cannot be read; those of this row are added.
    """
    values: dict[str, float] = {}
    for variable, (quantity, _) in VARIABLES.items():
        if variable != PRECIPITATION and (value := convert(payload, variable, row.get(variable), units, flags)) is not None:
            values[quantity] = value
    if precipitation is not None:
        values["precipitation"] = precipitation.amount
    if not values:
        return None
    code = _read_code(payload, row.get(WEATHER_CODE), flags)
    return Observation(
        provider=NAME,
        fetched_at=payload.fetched_at,
        observed_at=at,
        temperature=values.get("temperature"),
        humidity=values.get("humidity"),
        pressure=values.get("pressure"),
        wind_speed=values.get("wind_speed"),
        wind_direction=values.get("wind_direction"),
        wind_gust=values.get("wind_gust"),
        cloud_cover=values.get("cloud_cover"),
        visibility=values.get("visibility"),
        precipitation=values.get("precipitation"),
        precipitation_period=precipitation.seconds if precipitation else None,
        weather_code=code,
        condition=None if code is None else _WORDS.get(code),
        flags=flags,
        place=place_at(body.latitude, body.longitude, None),
    )


def convert(
    payload: Payload, variable: str, value: Value, units: Mapping[str, str | None], flags: dict[str, list[str]]
) -> float | None:
    """A value in the canonical unit; None for null.

    A text that is no number, or a unit that the variable cannot have, gives None and adds a flag to ``flags``.
    """
    if value is None:
        return None
    quantity, factors = VARIABLES[variable]
    number = read_number(value) if isinstance(value, str) else value
    if number is None:
        if not is_nan(str(value)):
            flags[quantity] = [flag_unreadable(payload, value)]
        return None
    unit = units.get(variable)
    factor = factors.get(unit or "")
    if factor is None:
        flags[quantity] = [flag_unreadable(payload, f"{number:g} in {unit or 'no unit'}")]
        return None
    if unit == "°F":
        return fahrenheit_to_celsius(number)
    return number if factor == 1 else round(number * factor, 4)


def nothing_readable(payload: Payload, flags: Mapping[str, list[str]]) -> PayloadError:
    """The error for an answer with values of which none can be read."""
    return unreadable(NAME, payload, ValueError(", ".join(f"{name}: {words[0]}" for name, words in flags.items())))


def flags_of_section(odd: Unreadable, section: str) -> dict[str, list[str]]:
    """The flags of the quantities with members of a section that cannot be read."""
    return flags_of_unreadable(odd, _FIELDS[section]) if odd else {}


def _read_code(payload: Payload, code: Value, flags: dict[str, list[str]]) -> int | None:
    """The weather code; None for null, and for anything that is no code of the table, which adds a flag to ``flags``."""
    number = code_in_table(read_number(code) if isinstance(code, str) else code)
    if number is None and code is not None and not is_nan(str(code)):
        flags["weather_code"] = [flag_unreadable(payload, code)]
    return number


def parse_time(time: Value, body: Body) -> datetime | None:
    """The instant (aware UTC) of a time: Unix seconds, or the wall clock at the offset of the body."""
    if not isinstance(time, str):
        return from_unix(time)
    if (seconds := read_number(time)) is not None:
        return from_unix(seconds)
    try:
        return datetime.fromisoformat(time).replace(tzinfo=UTC) - timedelta(seconds=body.utc_offset_seconds or 0)
    except (ValueError, OverflowError):
        return None

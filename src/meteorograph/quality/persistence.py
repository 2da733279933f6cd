"""How long a quantity can stay constant before its sensor is stuck. Part of stop 7 of the walk; pure."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec


class PersistenceLimit(NamedTuple):
    """How long a quantity can stay constant, while ``above`` < value < ``below`` [unit of the quantity]."""

    #: Limit for whole numbers and for finer values [h].
    whole: float
    finer: float
    above: float = -1e308
    below: float = 1e308


#: Humidity below 96 %, and from there to 99 %, where fog and drizzle keep it for longer; from 99 % on it may stay for days.
HUMID: Final = 96.0

PERSISTENCE_LIMITS: Final = {
    "temperature": PersistenceLimit(40, 24),
    "dew_point": PersistenceLimit(80, 48),
    "humidity": PersistenceLimit(30, 30, below=99),
    "pressure": PersistenceLimit(40, 24),
    "station_pressure": PersistenceLimit(40, 24),
    "altimeter_setting": PersistenceLimit(40, 24),
    "wind_speed": PersistenceLimit(40, 24, above=0.5),
    "wind_direction": PersistenceLimit(48, 24),
    "wind_gust": PersistenceLimit(40, 24, above=0.5),
    "precipitation": PersistenceLimit(24, 24, above=0),
}

#: The limit of humidity from ``HUMID`` on [h].
HUMID_HOURS: Final = 38.0

#: Fewest rows with the same value for the flag: with few rows a day, the same value may repeat for days.
MIN_PERSISTENCE_ROWS: Final = 24


class LastTrustedValue(msgspec.Struct, array_like=True, gc=False):
    """The last trusted value of a quantity. Times are slots [Unix s]."""

    value: float
    at: int
    #: Since when, and in how many rows, the value has not changed.
    unchanged_since: int
    unchanged_rows: int


def is_persistent(name: str, last: LastTrustedValue) -> bool:
    """Whether a value has been constant for too long: so many hours, if its rows come every hour."""
    limit = PERSISTENCE_LIMITS.get(name)
    if last.unchanged_rows < MIN_PERSISTENCE_ROWS or limit is None or not limit.above < last.value < limit.below:
        return False
    is_whole = last.value % (10 if name == "wind_direction" else 1) == 0
    hours = limit.whole if is_whole else limit.finer
    if name == "humidity" and last.value >= HUMID:
        hours = HUMID_HOURS
    # The first row counts too: 24 hourly rows take 24 hours.
    return (last.at - last.unchanged_since) * last.unchanged_rows / (last.unchanged_rows - 1) >= hours * 3600

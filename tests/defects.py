"""Defects of known kinds, put into recorded rows at random, for the benchmark and the tests of the checks."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from meteorograph.quality.levels import pressure_drop

Row = dict[str, Any]

HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Place:
    """What a defect may depend on."""

    elevation: float
    random: random.Random


#: Changes the rows of a defect, oldest first, in place.
Change = Callable[[Sequence[Row], Place], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of defect."""

    name: str
    #: Number of hourly rows: shortest and longest.
    hours: tuple[int, int]
    change: Change
    #: Defects in a year of all stations.
    count: int = 20
    #: Month in which the defects start, at random among these.
    months: tuple[int, ...] = tuple(range(1, 12))
    #: Only at stations whose elevation is at least this [m].
    min_elevation: float = 0.0


def _add(name: str, low: float, high: float) -> Change:
    def change(rows: Sequence[Row], place: Place) -> None:
        amount = place.random.uniform(low, high) * place.random.choice((-1, 1))
        for row in rows:
            if row[name] is not None:
                row[name] = round(row[name] + amount, 1)

    return change


def _set(name: str, *values: float) -> Change:
    def change(rows: Sequence[Row], place: Place) -> None:
        value = place.random.choice(values)
        for row in rows:
            row[name] = value

    return change


def _hold(*names: str) -> Change:
    """The values of the first row stay."""

    def change(rows: Sequence[Row], place: Place) -> None:
        for row in rows:
            row.update({name: rows[0][name] for name in names})

    return change


def _convert(name: str, convert: Callable[[float, Place], float]) -> Change:
    def change(rows: Sequence[Row], place: Place) -> None:
        for row in rows:
            if row[name] is not None:
                row[name] = round(convert(row[name], place), 2)

    return change


def _stand_still(rows: Sequence[Row], place: Place) -> None:
    """The source gives its last observation, with its time, again and again."""
    for row in rows:
        row.update({name: value for name, value in rows[0].items() if name not in ("due_at", "fetched_at", "location_id")})


def _set_clock(rows: Sequence[Row], place: Place) -> None:
    """The times of the source are wrong by days to years, before or after."""
    shift = timedelta(hours=place.random.choice((-1, 1)) * place.random.uniform(13, 20_000))
    for row in rows:
        row["observed_at"] += shift


VALUES: Final = ("temperature", "humidity", "pressure", "wind_speed", "wind_direction", "precipitation")
_MONTH: Final = (720, 720)

KINDS: Final = (
    Kind("spike of temperature, 15 to 40 °C", (1, 1), _add("temperature", 15, 40)),
    Kind("spike of pressure, 12 to 60 hPa", (1, 1), _add("pressure", 12, 60)),
    Kind("-99.9 or 999.9 for a missing value", (1, 6), _set("temperature", -99.9, 999.9)),
    Kind("stuck temperature, 30 to 60 h", (30, 60), _hold("temperature")),
    Kind("stuck humidity, 40 h", (40, 40), _hold("humidity")),
    Kind("stuck pressure, 48 h", (48, 48), _hold("pressure")),
    Kind("stuck wind, 30 h", (30, 30), _hold("wind_speed")),
    Kind("the whole answer stands still, 12 to 48 h", (12, 48), _stand_still),
    Kind("the source's clock is wrong, 6 to 24 h", (6, 24), _set_clock),
    Kind("°F as °C, 30 days", _MONTH, _convert("temperature", lambda value, _: value * 1.8 + 32)),
    Kind("km/h as m/s, 30 days", _MONTH, _convert("wind_speed", lambda value, _: value * 3.6)),
    Kind(
        "station pressure as sea level pressure, 30 days, from 30 m on",
        _MONTH,
        _convert("pressure", lambda value, place: value - pressure_drop(place.elevation) * value / 1013.25),
        min_elevation=30,
    ),
    Kind("humidity as a share, 7 days", (168, 168), _convert("humidity", lambda value, _: value / 100)),
    Kind("temperature 8 °C off, 10 days", (240, 240), _add("temperature", 8, 8)),
)


def inject(
    rows: Sequence[Row], kind: Kind, elevations: Mapping[int, float], seed: int
) -> tuple[list[Row], dict[tuple[int, Any], set[str]], list[list[tuple[int, Any]]]]:
    """Copies of the rows with the defects of a kind; no two defects overlap.

    Returns:
        The rows; location and slot of each changed row → its wrong quantities; and the slots of each defect.
    """
    chance = random.Random(f"{seed} {kind.name}")
    by_location: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        by_location.setdefault(row["location_id"], []).append(index)
    places = [id_ for id_ in sorted(by_location) if elevations[id_] >= kind.min_elevation]
    changed, used = [dict(row) for row in rows], set[int]()
    wrong: dict[tuple[int, Any], set[str]] = {}
    defects: list[list[tuple[int, Any]]] = []
    while len(defects) < kind.count:
        location_id, length = chance.choice(places), chance.randint(*kind.hours)
        indexes = by_location[location_id]
        start = chance.randrange(24 * 20, len(indexes) - length - 48)
        span = indexes[start : start + length]
        around = indexes[max(0, start - 48) : start + length + 48]
        if used.intersection(around) or changed[span[0]]["due_at"].month not in kind.months:
            continue
        used.update(span)
        before = [dict(changed[index]) for index in span]
        kind.change([changed[index] for index in span], Place(elevations[location_id], chance))
        slots = []
        for index, old in zip(span, before, strict=True):
            row = changed[index]
            names = {name for name in VALUES if row[name] != old[name]}
            if row["observed_at"] != old["observed_at"]:
                names |= {name for name in VALUES if row[name] is not None}
            wrong[location_id, row["due_at"]] = names
            slots.append((location_id, row["due_at"]))
        defects.append(slots)
    return changed, wrong, defects

"""What a comparison shows: a line for each place, or for each provider of one place, and how the lines differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from ...locations.repository import get_location
from ...model.flags import is_suspect
from ...model.valid_time import is_whole
from ...reading.aggregates import read_buckets
from ...reading.ranges import read_periods
from ...reading.rows import WeatherRow, read_rows
from .meteogram_data import steps_of

#: The quantities to compare.
QUANTITIES: Final = ("temperature", "dew_point", "humidity", "pressure", "wind_speed", "wind_gust", "cloud_cover")

#: Rows of one place that are compared by provider at most.
MAX_ROWS: Final = 3000

#: Values of two lines that are compared as if of the same time are at most so far apart [s].
_SAME_TIME: Final = 60


@dataclass(frozen=True, slots=True)
class Line:
    """The values of one place or of one provider, in canonical units."""

    name: str
    #: Instants (aware UTC) and values, oldest first; None breaks the line.
    points: list[tuple[datetime, float | None]] = field(default_factory=list)
    #: Precipitation of the period [mm], and the part of the period that is measured; of places only.
    rain: float | None = None
    rain_coverage: float = 0.0
    #: Whether more may have fallen.
    is_rain_partial: bool = False
    #: Lowest, mean and highest of the values, of which the points may be means.
    lowest: float | None = None
    mean: float | None = None
    highest: float | None = None

    @property
    def values(self) -> list[float]:
        """The points without breaks."""
        return [value for _, value in self.points if value is not None]


@dataclass(frozen=True, slots=True)
class Difference:
    """How a line differs from the first one, where both have values."""

    count: int
    mean: float
    #: Mean of the absolute differences, and the largest one.
    mean_absolute: float
    largest: float


def read_places(session: Session, names: Sequence[str], quantity: str, start: datetime, end: datetime, bucket: str) -> list[Line]:
    """A line of means for each place, with the lowest, mean and highest of all values of the period.

    Raises:
        LocationNotFoundError: No location has that name.
    """
    lines = []
    locations = [get_location(session, name) for name in names]
    periods = read_periods(session, locations, start, end, (quantity, "precipitation"))
    seconds = (end - start).total_seconds()
    for location in locations:
        name, whole = location.name, periods[location.id]
        buckets = read_buckets(session, location=name, start=start, end=end, bucket=bucket, zone="UTC", quantities=(quantity,))
        means = [(one.start + (one.end - one.start) / 2, one.values[quantity]["mean"]) for one in buckets]
        points = _with_breaks([(at, mean) for at, mean in means if mean is not None])
        rain, values = whole["precipitation"], whole[quantity]
        share = min(1.0, (rain["covered_seconds"] or 0.0) / seconds)
        of_rain = (rain["sum"], share, not is_whole(share, seconds))
        lines.append(Line(name, points, *of_rain, values["min"], values["mean"], values["max"]))
    return lines


def read_providers(session: Session, name: str, quantity: str, start: datetime, end: datetime) -> tuple[list[Line], bool]:
    """A line for each provider of a place, and whether there are more rows than are compared: then only the newest are.

    Raises:
        LocationNotFoundError: No location has that name.
    """
    rows, more = read_rows(session, location=name, start=start, end=end, limit=MAX_ROWS)
    return lines_of_providers(rows[::-1], quantity), more is not None


def lines_of_providers(rows: Sequence[WeatherRow], quantity: str) -> list[Line]:
    """What each provider said of a quantity by slot: the values that were used, and those that were kept beside them."""
    points: dict[str, list[tuple[datetime, float]]] = {}
    for row in rows:
        value = getattr(row, quantity)
        if value is not None and not is_suspect(row.flags_of(quantity)):
            points.setdefault(row.provider_of(quantity), []).append((row.due_at, value))
        for provider, said in (row.other_values or {}).items():
            other = said["values"].get(quantity)
            if other is not None and not is_suspect(said.get("flags", {}).get(quantity, ())):
                points.setdefault(provider, []).append((row.due_at, other))
    return [_line_of_values(name, sorted(found)) for name, found in sorted(points.items())]


def _line_of_values(name: str, points: Sequence[tuple[datetime, float]]) -> Line:
    values = [value for _, value in points]
    return Line(name, _with_breaks(points), lowest=min(values), mean=math.fsum(values) / len(values), highest=max(values))


def _with_breaks(points: Sequence[tuple[datetime, float]]) -> list[tuple[datetime, float | None]]:
    """The points, with a None wherever the usual time to the next one is exceeded."""
    line: list[tuple[datetime, float | None]] = []
    for (at, step, is_end), (_, value) in zip(steps_of([at for at, _ in points]), points, strict=True):
        line.append((at, value))
        if is_end:
            line.append((at + step, None))
    return line


def difference(line: Line, first: Line) -> Difference | None:
    """How a line differs from the first one; None where they have no time in common."""
    known = {round(at.timestamp() / _SAME_TIME): value for at, value in first.points if value is not None}
    differences = [
        value - known[at]
        for instant, value in line.points
        if value is not None and (at := round(instant.timestamp() / _SAME_TIME)) in known
    ]
    if not differences:
        return None
    count, absolute = len(differences), [abs(one) for one in differences]
    return Difference(count, sum(differences) / count, sum(absolute) / count, max(absolute))

"""What is drawn of a location: values by time, with a None where the line breaks, and what is to be known of each. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape

from ...model.flags import is_suspect
from ...model.quantities import QUANTITIES
from ...model.states import Origin
from ...providers.registry import PROVIDERS
from ...reading.aggregates import Bucket
from ...reading.overview import BREAK, usual_step
from ...reading.rows import WeatherRow
from .filters import period


@dataclass(slots=True)
class Course:
    """Values by time, oldest first."""

    times: list[datetime] = field(default_factory=list)
    #: Quantity → its values; None where there is none.
    values: dict[str, list[float | None]] = field(default_factory=lambda: {one.name: [] for one in QUANTITIES})
    #: Quantity → what is to be told of each value beside it: whose it is, and its flags. Text of HTML.
    notes: dict[str, list[str]] = field(default_factory=lambda: {one.name: [] for one in QUANTITIES})
    #: Quantity → places of values that are not to be trusted.
    flagged: dict[str, list[int]] = field(default_factory=lambda: {one.name: [] for one in QUANTITIES})
    #: Places of rows that were filled in afterwards.
    backfilled: list[int] = field(default_factory=list)
    #: Lowest and highest temperature [°C] at each time; empty where each value is a single one.
    lowest: list[float | None] = field(default_factory=list)
    highest: list[float | None] = field(default_factory=list)


def of_rows(rows: Sequence[WeatherRow]) -> Course:
    """The course of rows as ``read_rows`` returns them, but oldest first."""
    made = Course()
    step = usual_step(row.due_at for row in rows)
    before: datetime | None = None
    for row in rows:
        if before is not None and step is not None and row.due_at - before > step * BREAK:
            _break(made, before + step)
        before = row.due_at
        place = len(made.times)
        made.times.append(row.due_at)
        if row.origin == Origin.BACKFILL:
            made.backfilled.append(place)
        for quantity in QUANTITIES:
            name = quantity.name
            words = row.flags_of(name)
            made.values[name].append(getattr(row, name))
            made.notes[name].append(_note(row, name, words))
            if getattr(row, name) is not None and is_suspect(words):
                made.flagged[name].append(place)
    return made


def of_buckets(found: Sequence[Bucket]) -> Course:
    """The course of the means of buckets, of precipitation that of the sums; before the first value there is none."""
    made = Course()
    filled = [place for place, bucket in enumerate(found) if any(part.get("count") for part in bucket.values.values())]
    for bucket in found[filled[0] : filled[-1] + 1] if filled else ():
        made.times.append(bucket.start)
        for quantity in QUANTITIES:
            part = bucket.values.get(quantity.name) or {}
            made.values[quantity.name].append(part.get("sum" if quantity.name == "precipitation" else "mean"))
            made.notes[quantity.name].append("")
        temperature = bucket.values.get("temperature") or {}
        made.lowest.append(temperature.get("min"))
        made.highest.append(temperature.get("max"))
    return made


def _break(made: Course, at: datetime) -> None:
    made.times.append(at)
    for quantity in QUANTITIES:
        made.values[quantity.name].append(None)
        made.notes[quantity.name].append("")


def _note(row: WeatherRow, name: str, words: list[str]) -> str:
    provider = row.provider_of(name)
    told = [PROVIDERS[provider].title if provider in PROVIDERS else provider]
    if name == "precipitation" and row.precipitation_period:
        told.insert(0, f"in {period(row.precipitation_period)}")
    if row.origin == Origin.BACKFILL:
        told.append("filled in afterwards")
    told += [word.replace("_", " ") for word in words]
    return escape(" · ".join(told))

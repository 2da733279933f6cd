"""Time series of a location for its charts: values, their notes and flags, with None where the line breaks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape

from ...i18n import ENGLISH, Language
from ...model.flags import is_suspect
from ...model.quantities import AMOUNTS, QUANTITIES
from ...model.states import Origin
from ...model.statistics import Statistics
from ...providers.registry import PROVIDERS
from ...reading.aggregates import Bucket
from ...reading.overview import BREAK, usual_step
from ...reading.rows import WeatherRow
from .filters import period
from .words import flag_word


@dataclass(slots=True)
class ChartSeries:
    """Values by time, oldest first."""

    times: list[datetime] = field(default_factory=list)
    #: Quantity → its values; None where there is none.
    values: dict[str, list[float | None]] = field(default_factory=lambda: {quantity.name: [] for quantity in QUANTITIES})
    #: Quantity → note of each value: its provider and its flags, as escaped HTML.
    notes: dict[str, list[str]] = field(default_factory=lambda: {quantity.name: [] for quantity in QUANTITIES})
    #: Quantity → indexes of suspect values.
    flagged: dict[str, list[int]] = field(default_factory=lambda: {quantity.name: [] for quantity in QUANTITIES})
    #: Indexes of backfilled rows.
    backfilled: list[int] = field(default_factory=list)
    #: Quantity → indexes of sums over less than their whole bucket.
    partial: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in AMOUNTS})
    #: Lowest and highest temperature [°C] at each time; empty if the values are not means.
    lowest: list[float | None] = field(default_factory=list)
    highest: list[float | None] = field(default_factory=list)


def series_of_rows(rows: Sequence[WeatherRow], language: Language = ENGLISH) -> ChartSeries:
    """Series of single rows, which come oldest first."""
    series = ChartSeries()
    step = usual_step(row.due_at for row in rows)
    previous: datetime | None = None
    for row in rows:
        if previous is not None and step is not None and row.due_at - previous > step * BREAK:
            _break(series, previous + step)
        previous = row.due_at
        index = len(series.times)
        series.times.append(row.due_at)
        if row.origin == Origin.BACKFILL:
            series.backfilled.append(index)
        for quantity in QUANTITIES:
            name = quantity.name
            flags = row.flags_of(name)
            series.values[name].append(getattr(row, name))
            series.notes[name].append(_note(row, name, flags, language))
            if getattr(row, name) is not None and is_suspect(flags):
                series.flagged[name].append(index)
    return series


def series_of_buckets(buckets: Sequence[Bucket], language: Language = ENGLISH) -> ChartSeries:
    """Series of bucket means, for amounts of sums, from the first bucket with values to the last."""
    series = ChartSeries()
    used = [index for index, bucket in enumerate(buckets) if any(part.get("count") for part in bucket.values.values())]
    for bucket in buckets[used[0] : used[-1] + 1] if used else ():
        series.times.append(bucket.start)
        for quantity in QUANTITIES:
            part = bucket.values.get(quantity.name) or {}
            series.values[quantity.name].append(part.get("sum" if quantity.is_amount else "mean"))
            series.notes[quantity.name].append(
                _note_of_sum(series, quantity.name, bucket, part, language) if quantity.is_amount else ""
            )
        temperature = bucket.values.get("temperature") or {}
        series.lowest.append(temperature.get("min"))
        series.highest.append(temperature.get("max"))
    return series


def _note_of_sum(series: ChartSeries, name: str, bucket: Bucket, part: Statistics, language: Language) -> str:
    """The note of a sum over less than its whole bucket, which is also noted in ``partial``."""
    seconds, covered = (bucket.end - bucket.start).total_seconds(), part.get("covered_seconds") or 0.0
    if part.get("sum") is None or covered >= seconds:
        return ""
    series.partial[name].append(len(series.times) - 1)
    percent = language.with_percent(f"{100 * covered / seconds:.0f}")
    return language.say("in the {percent} of the time that is measured", percent=percent)


def _break(series: ChartSeries, at: datetime) -> None:
    series.times.append(at)
    for quantity in QUANTITIES:
        series.values[quantity.name].append(None)
        series.notes[quantity.name].append("")


def _note(row: WeatherRow, name: str, flags: list[str], language: Language) -> str:
    provider = row.provider_of(name)
    parts = [PROVIDERS[provider].title if provider in PROVIDERS else provider]
    if name == "precipitation" and row.precipitation_period:
        parts.insert(0, language.say("in {period}", period=period(row.precipitation_period)))
    if row.origin == Origin.BACKFILL:
        parts.append(language.say("backfilled"))
    elif row.origin == Origin.IMPORT:
        parts.append(language.say("imported"))
    parts += [flag_word(flag, language=language) for flag in flags]
    return escape(" · ".join(parts))

"""What a meteogram shows: lines with breaks, bars with their periods, and what is missed, backfilled or suspect. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

from ...ledger.gaps import Gap
from ...model.flags import is_suspect
from ...model.states import Origin
from ...reading.aggregates import Bucket
from ...reading.overview import BREAK, usual_step
from ...reading.rows import WeatherRow
from .icons import icon_name

#: The quantities of the lines.
LINES: Final = (
    "temperature",
    "dew_point",
    "pressure",
    "wind_speed",
    "wind_gust",
    "wind_direction",
    "cloud_cover",
    "weather_code",
)

#: Points to each side of a point whose distances tell the usual one.
_AROUND: Final = 4

#: The quantities of which single suspect values are drawn.
_MARKED: Final = ("temperature", "dew_point", "pressure", "wind_speed", "wind_gust")


class Bar(NamedTuple):
    """An amount of precipitation and its period."""

    start: datetime
    end: datetime
    #: [mm]; None if nothing of the period is measured.
    amount: float | None
    #: Part of the period that is measured.
    coverage: float


class Suspect(NamedTuple):
    """A suspect value. It is neither in the lines nor in their scales."""

    at: datetime
    quantity: str
    value: float


class Span(NamedTuple):
    """A time of the strip below the charts."""

    start: datetime
    end: datetime


@dataclass(slots=True)
class Lines:
    """Values by time, oldest first. Where values are missing, a point of None breaks the lines."""

    times: list[datetime] = field(default_factory=list)
    values: dict[str, list[float | None]] = field(default_factory=lambda: {name: [] for name in LINES})
    #: Lowest and highest temperature [°C] of each time; empty if values are not means.
    lowest: list[float | None] = field(default_factory=list)
    highest: list[float | None] = field(default_factory=list)
    #: The provider of each point; None for a mean and for a break.
    providers: list[str | None] = field(default_factory=list)
    #: The icon of each point.
    icons: list[str | None] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    backfilled: list[Span] = field(default_factory=list)
    #: Usual time between the points around each point.
    steps: list[timedelta] = field(default_factory=list)

    def add_break(self, at: datetime) -> None:
        """Break all lines at an instant."""
        self.times.append(at)
        self.steps.append(timedelta(0))
        if self.lowest:
            self.lowest.append(None)
            self.highest.append(None)
        self.providers.append(None)
        self.icons.append(None)
        for column in self.values.values():
            column.append(None)


@dataclass(frozen=True, slots=True)
class MeteogramData:
    """What is drawn between two instants."""

    start: datetime
    end: datetime
    lines: Lines
    bars: Sequence[Bar]
    missed: Sequence[Span]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.lines.times and all(bar.amount is None for bar in self.bars)


def lines_of_rows(rows: Iterable[WeatherRow]) -> Lines:
    """Lines of single rows, at the times of their observations."""
    # Of two rows with one observation, the later slot.
    placed = {row.observed_at or row.due_at: row for row in sorted(rows, key=lambda row: row.due_at)}
    lines = Lines()
    for at, step, is_end in steps_of(sorted(placed)):
        _add_row(lines, at, step, placed[at])
        if is_end:
            lines.add_break(at + step)
    return lines


def _add_row(lines: Lines, at: datetime, step: timedelta, row: WeatherRow) -> None:
    lines.times.append(at)
    lines.steps.append(step)
    lines.providers.append(row.provider)
    lines.icons.append(icon_name(row.weather_code, row.condition, row.cloud_cover))
    for name in LINES:
        value = getattr(row, name)
        if value is not None and is_suspect(row.flags_of(name)):
            if name in _MARKED:
                lines.suspects.append(Suspect(at, name, value))
            value = None
        lines.values[name].append(value)
    if row.origin == Origin.BACKFILL:
        lines.backfilled = _extend(lines.backfilled, Span(at - step / 2, at + step / 2))


def lines_of_buckets(buckets: Sequence[Bucket], backfilled: Iterable[datetime]) -> Lines:
    """Lines of means, each in the middle of its bucket. ``backfilled`` are the backfilled slots."""
    lines = Lines()
    used = {
        bucket.start + (bucket.end - bucket.start) / 2: bucket
        for bucket in buckets
        if any((bucket.values.get(name) or {}).get("count") for name in LINES)
    }
    for at, step, is_end in steps_of(sorted(used)):
        _add_bucket(lines, at, step, used[at])
        if is_end:
            lines.add_break(at + step)
    usual = usual_step(sorted(used)) or timedelta(hours=1)
    for at in backfilled:
        lines.backfilled = _extend(lines.backfilled, Span(at - usual / 2, at + usual / 2))
    return lines


def _add_bucket(lines: Lines, at: datetime, step: timedelta, bucket: Bucket) -> None:
    lines.times.append(at)
    lines.steps.append(step)
    lines.providers.append(None)
    for name in LINES:
        part = bucket.values.get(name) or {}
        lines.values[name].append(part.get("max" if name == "weather_code" else "mean"))
    code, cover = lines.values["weather_code"][-1], lines.values["cloud_cover"][-1]
    lines.icons.append(icon_name(None if code is None else int(code), None, cover))
    temperature = bucket.values.get("temperature") or {}
    lines.lowest.append(temperature.get("min"))
    lines.highest.append(temperature.get("max"))


def steps_of(times: Sequence[datetime]) -> Iterator[tuple[datetime, timedelta, bool]]:
    """Each instant with the usual time between its neighbours, and whether a line ends there.

    The usual time is that of the surroundings: the schedule of a place may have changed.
    """
    gaps = [later - earlier for earlier, later in pairwise(times)]
    for index, at in enumerate(times):
        around = sorted(gaps[max(0, index - _AROUND) : index + _AROUND])
        step = around[len(around) // 2] if around else timedelta(hours=1)
        yield at, step, index < len(gaps) and gaps[index] > step * BREAK


def bars_of_buckets(buckets: Iterable[Bucket], now: datetime) -> list[Bar]:
    """Precipitation by bucket. Of the one that is not over yet, the part until ``now`` can be measured."""
    bars = []
    for bucket in buckets:
        part = bucket.values["precipitation"]
        end = min(bucket.end, now)
        if end > bucket.start:
            covered = (part.get("covered_seconds") or 0.0) / (end - bucket.start).total_seconds()
            bars.append(Bar(bucket.start, bucket.end, part.get("sum"), min(1.0, covered)))
    return bars


def missed_spans(gaps: Iterable[Gap], step: timedelta) -> list[Span]:
    """The times of missed slots, each as long as the time between two of them; of a single one as ``step``."""
    spans: list[Span] = []
    for gap in sorted(gaps, key=lambda one: one.first_slot):
        if gap.slots > 1:
            step = (gap.last_slot - gap.first_slot) / (gap.slots - 1)
        spans = _extend(spans, Span(gap.first_slot - step / 2, gap.last_slot + step / 2))
    return spans


def _extend(spans: list[Span], span: Span) -> list[Span]:
    """Add a span, which begins after those that are there, or grow the last one that it touches."""
    if spans and span.start <= spans[-1].end:
        return [*spans[:-1], Span(spans[-1].start, max(spans[-1].end, span.end))]
    return [*spans, span]

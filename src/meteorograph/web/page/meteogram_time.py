"""The time of a meteogram: its nights, and the days and hours of its axis in the zone of the reader. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from ...i18n import ENGLISH, DateStyle, Language
from ...model import sun
from ...model.time_buckets import midnight
from .meteogram_data import Span

_DAY: Final = timedelta(days=1)

#: The sun is looked at this often; then sunrise and sunset are found by halving.
_LOOK: Final = timedelta(minutes=30)
_EXACT: Final = timedelta(minutes=2)

#: Hours between two labels to choose from.
_HOURS: Final = (1, 2, 3, 6, 12)

#: Least width of the label of an hour, and of a day.
_LABEL: Final = 27
_DAY_LABEL: Final = 62

#: Labels of days and of months, the longest first.
_DAY_STYLES: Final = (DateStyle.WEEKDAY_LONG, DateStyle.WEEKDAY_DAY, DateStyle.DAY)
_MONTH_STYLES: Final = (DateStyle.MONTH_YEAR_LONG, DateStyle.MONTH_YEAR, DateStyle.MONTH)


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of the time axis."""

    at: datetime
    text: str


def nights(start: datetime, end: datetime, latitude: float, longitude: float) -> list[Span]:
    """The times between two instants in which the sun is below the horizon; none over more than two weeks."""
    if end - start > 14 * _DAY:
        return []
    spans: list[Span] = []
    at, since = start, start if _is_night(start, latitude, longitude) else None
    while at < end:
        following = min(at + _LOOK, end)
        if (is_night := _is_night(following, latitude, longitude)) != (since is not None):
            change = _change(at, following, latitude, longitude)
            if is_night:
                since = change
            elif since is not None:
                spans.append(Span(since, change))
                since = None
        at = following
    return [*spans, Span(since, end)] if since is not None else spans


def _is_night(at: datetime, latitude: float, longitude: float) -> bool:
    return sun.elevation(latitude, longitude, at.astimezone(UTC)) < sun.HORIZON


def _change(before: datetime, after: datetime, latitude: float, longitude: float) -> datetime:
    """The instant between two at which the sun rises or sets."""
    first = _is_night(before, latitude, longitude)
    while after - before > _EXACT:
        middle = before + (after - before) / 2
        if _is_night(middle, latitude, longitude) == first:
            before = middle
        else:
            after = middle
    return after


def midnights(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """The starts of the days that begin between two instants."""
    day = start.astimezone(zone).date()
    while (at := midnight(day, zone)) <= end:
        if at >= start:
            yield at
        day += _DAY


def hour_ticks(start: datetime, end: datetime, zone: ZoneInfo, width: float) -> list[Tick]:
    """Labels of round local hours that fit into a width; none over more than a week. On the day of a clock change, each local
    hour is labelled where it is: twice if it comes twice.
    """
    hours = (end - start) / timedelta(hours=1)
    step = next((step for step in _HOURS if hours / step * _LABEL <= width), None)
    if step is None:
        return []
    first = start.replace(minute=0, second=0, microsecond=0)
    ticks = []
    for minutes in range(0, int(hours * 60) + 120, 15):  # there are zones a quarter of an hour apart
        at = first + timedelta(minutes=minutes)
        local = at.astimezone(zone)
        if start <= at <= end and local.minute == 0 and local.hour % step == 0:
            ticks.append(Tick(at, f"{local.hour:02d}"))
    return ticks


def day_ticks(start: datetime, end: datetime, zone: ZoneInfo, width: float, language: Language = ENGLISH) -> list[Tick]:
    """Labels of days, or of months where days do not fit, each as long as there is room for."""
    per_day = width / max((end - start) / _DAY, 0.1)
    starts = [at for at in midnights(start, end, zone) if at > start]
    styles = _DAY_STYLES
    if per_day < 12:
        starts, styles = [at for at in starts if at.astimezone(zone).day == 1], _MONTH_STYLES
    elif per_day < _DAY_LABEL:
        starts = starts[:: -(-_DAY_LABEL // int(per_day))]
    ticks = []
    for at, following in pairwise([start, *starts, end]):
        room, local = (following - at) / (end - start) * width, at.astimezone(zone)
        text = next((text for one in styles if _width(text := language.date(local, one)) <= room), None)
        if text is not None:
            ticks.append(Tick(at, text))
    return ticks


def _width(text: str) -> float:
    """About the width of a label in bold, with the space around it."""
    return 7.6 * len(text) + 10

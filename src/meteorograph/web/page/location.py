"""``/location``: the weather of one location now and over time, its summary and its gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from flask import Response, request
from sqlalchemy.orm import Session

from ...errors import BadInputError
from ...i18n import Language
from ...ledger.coverage import slot_coverage
from ...ledger.gaps import Gap, list_gaps
from ...locations import views
from ...locations.repository import get_location
from ...model import clock
from ...model.time_buckets import zone_or_utc
from ...quality.row_checks import MAX_CLOCK_LEAD
from ...reading import aggregates
from ...reading.ranges import read_periods
from ...reading.rows import WeatherRow, read_rows
from ...storage.engine import get_db_session
from .. import params
from .chart import chart_title
from .chart_series import series_of_buckets, series_of_rows
from .display import Display
from .layout import blueprint, render
from .location_now import read_now
from .location_range import MINUTE, RANGES, Period, floor, read_period
from .meteogram import NARROW, WIDE, meteogram
from .meteogram_panels import panel_choices, panels_text, read_panels
from .meteogram_reading import read_meteogram
from .meteogram_values import readout
from .plotly_figure import figure
from .preferences import read_preferences, refuse_unknown
from .script import plotly
from .summary import SUMMARISED, Summary, summary
from .weather_words import weather_words

#: Rows that the charts for exploring draw one by one at most.
_MAX_ROWS: Final = 1500


@blueprint.get("/location")
def place() -> Response:
    """The page of a location: its weather now, meteogram, summary, gaps and downloads."""
    refuse_unknown(("name", "range", "start", "end", "quantities", "explore"))
    name = request.args.get("name", "")
    if not name:
        raise BadInputError("name", name, "must be the name of a location")
    now, minute, explores = clock.now(), floor(clock.now(), MINUTE), params.word("explore", ("1",)) is not None
    read_period(now, zone_or_utc(None))  # an invalid period is said before anything is read
    panels = read_panels()
    with get_db_session(read_only=True) as session:
        location = views.get_location_view(session, name)
        display = Display(read_preferences(), location.timezone)
        period = read_period(now, display.zone)
        newest, _ = read_rows(session, location=name, end=now + MAX_CLOCK_LEAD, limit=1)
        now_there = read_now(session, newest[0], now) if newest else None
        summaries = _summarise(session, location.name, period, now)
        [slots], _ = slot_coverage(session, period.start, period.end, location=location.name)
        gaps, more_gaps = list_gaps(session, period.start, period.end, location=name, limit=100)
        data = read_meteogram(session, name, period.start, period.end, display.zone, minute)
        exploration = _explore(session, name, period, gaps, display.language) if explores else None
    providers = Counter(one for one in data.lines.providers if one)
    for row in newest:
        providers.update([row.provider, *(row.providers or {}).values()])
    coordinates, title = (location.latitude, location.longitude), chart_title(location, data, display, panels)
    return render(
        "location.html",
        providers=providers,
        place_zone=location.timezone,
        location=location,
        weather=now_there,
        words=now_there and weather_words(now_there.row.condition, now_there.icon_name, display.language),
        pictures=[
            meteogram(data, display, place=coordinates, now=minute, title=title, width=width, panels=panels)
            for width in (WIDE, NARROW)
        ],
        quantities=panels_text(panels),
        panels=panel_choices(panels),
        readout=readout(data, display, minute),
        is_empty=data.is_empty,
        exploration=exploration,
        summary=summaries,
        slots=slots,
        gaps=[{"gap": gap, "end": gap.last_slot + timedelta(seconds=1)} for gap in gaps],
        more_gaps=more_gaps is not None,
        ranges=RANGES,
        period=period,
        earlier=_shifted(name, period, -1, panels_text(panels)),
        later=_shifted(name, period, 1, panels_text(panels)),
        script=plotly() if explores else None,
    )


def _shifted(name: str, period: Period, direction: int, quantities: str | None) -> dict[str, Any]:
    """The arguments of the address of the period before, or after, this one."""
    length = period.range.length if period.word else period.end - period.start
    # The period before ends where this one starts, which is rounded to its buckets.
    end = period.start if direction < 0 else period.end + length
    arguments = {"name": name, "range": period.word, "end": _text(end), "quantities": quantities}
    return arguments if period.word else {**arguments, "start": _text(end - length)}


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%MZ")


def _summarise(session: Session, name: str, period: Period, now: datetime) -> list[Summary]:
    if period.is_future:
        return []
    location, names = get_location(session, name), [one.name for one in SUMMARISED]
    statistics = read_periods(session, [location], period.start, period.end, names)[location.id]
    return summary(statistics, max(1.0, (min(now, period.end) - period.start).total_seconds()))


def _explore(session: Session, name: str, period: Period, gaps: Sequence[Gap], language: Language) -> dict[str, Any]:
    """The figure of the charts for exploring, and whether its points are means."""
    chosen, start, end = period.range, period.start, period.end
    rows, more = _rows(session, name, period) if chosen.has_rows else ([], None)
    if chosen.has_rows and more is None:
        series = series_of_rows(rows, language)
    else:
        buckets = aggregates.read_buckets(session, location=name, start=start, end=end, bucket=chosen.coarse, zone="UTC")
        series = series_of_buckets(buckets, language)
    return {"figure": figure(series, gaps, start, end, language), "is_coarse": more is not None or not chosen.has_rows}


def _rows(session: Session, name: str, period: Period) -> tuple[list[WeatherRow], object]:
    rows, more = read_rows(session, location=name, start=period.start, end=period.end, limit=_MAX_ROWS)
    return rows[::-1], more

"""``/location``: charts, summary and gaps of one location."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from flask import Response, request

from ...errors import BadInputError
from ...ledger.gaps import list_gaps
from ...locations import views
from ...model import clock
from ...quality.row_checks import MAX_CLOCK_LEAD
from ...reading import aggregates
from ...reading.columns import Position
from ...reading.rows import WeatherRow, read_rows
from ...storage.engine import get_db_session
from .. import params
from .chart_series import series_of_buckets, series_of_rows
from .layout import blueprint, render
from .plotly_figure import figure
from .script import plotly
from .summary import summary

MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


class Range(NamedTuple):
    """A period to choose from."""

    title: str
    length: timedelta
    #: Buckets of the summary, and of the charts if there are too many rows.
    bucket: str
    coarse: str
    #: Whether charts show single rows if there are few enough.
    has_rows: bool


RANGES: Final = {
    "24h": Range("24 hours", DAY, "hour", "5m", has_rows=True),
    "7d": Range("7 days", 7 * DAY, "hour", "hour", has_rows=True),
    "30d": Range("30 days", 30 * DAY, "hour", "hour", has_rows=True),
    "1y": Range("1 year", 365 * DAY, "day", "day", has_rows=False),
}

#: Rows that charts draw one by one at most.
_MAX_ROWS: Final = 1500


@blueprint.get("/location")
def place() -> Response:
    """The page of a location: charts, summary, gaps and downloads."""
    params.refuse_unknown(("name", "range", "end"))
    name = request.args.get("name", "")
    if not name:
        raise BadInputError("name", name, "must be the name of a location")
    word = params.word("range", tuple(RANGES)) or "24h"
    chosen, now = RANGES[word], clock.now()
    end = _end(now)
    start = _floor(end - chosen.length, DAY if chosen.bucket == "day" else HOUR)
    with get_db_session(read_only=True) as session:
        location = views.get_location_view(session, name)
        newest, _ = read_rows(session, location=name, end=now + MAX_CLOCK_LEAD, limit=1)
        rows, more = _rows(session, name, start, end) if chosen.has_rows else ([], None)
        summary_buckets = aggregates.read_buckets(session, location=name, start=start, end=end, bucket=chosen.bucket, zone="UTC")
        is_coarse = more is not None or not chosen.has_rows
        if is_coarse and chosen.coarse != chosen.bucket:
            chart_buckets = aggregates.read_buckets(
                session, location=name, start=start, end=end, bucket=chosen.coarse, zone="UTC"
            )
        else:
            chart_buckets = summary_buckets
        gaps, more_gaps = list_gaps(session, start, end, location=name, limit=100)
    series = series_of_buckets(chart_buckets) if is_coarse else series_of_rows(rows)
    rows_on_page = [*newest, *rows]
    providers = Counter(row.provider for row in rows_on_page)
    providers.update(other for row in rows_on_page for other in (row.providers or {}).values())
    script = plotly()
    return render(
        "location.html",
        providers=providers,
        location=location,
        zone_time=now.astimezone(ZoneInfo(location.timezone)) if location.timezone else None,
        newest=newest[0] if newest else None,
        figure=figure(series, gaps, start, end),
        is_empty=not series.times,
        is_coarse=is_coarse,
        summary=summary(summary_buckets, (min(now, end) - summary_buckets[0].start).total_seconds()),
        due=sum(bucket.due for bucket in summary_buckets),
        stored=sum(bucket.stored for bucket in summary_buckets),
        gaps=[{"gap": gap, "end": gap.last_slot + timedelta(seconds=1)} for gap in gaps],
        more_gaps=more_gaps is not None,
        ranges=RANGES,
        word=word,
        start=start,
        end=end,
        is_now="end" not in request.args,
        earlier=start,
        later=end + chosen.length,
        script=script,
    )


def _rows(session: Any, name: str, start: datetime, end: datetime) -> tuple[list[WeatherRow], Position | None]:
    rows, more = read_rows(session, location=name, start=start, end=end, limit=_MAX_ROWS)
    return rows[::-1], more


def _end(now: datetime) -> datetime:
    """End of the period: the parameter ``end``, but at most the end of this minute."""
    end, latest = params.instant("end"), _floor(now, MINUTE) + MINUTE
    if end is None:
        return latest
    if end < datetime(1980, 1, 1, tzinfo=now.tzinfo):
        raise BadInputError("end", request.args["end"], "must be in 1980 or later")
    return min(end, latest)


def _floor(at: datetime, length: timedelta) -> datetime:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (at - midnight) // length * length

"""``/location``: one place, as charts and in numbers."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from flask import Response, request

from ...config.loading import get_settings
from ...errors import BadInputError
from ...ledger.gaps import list_gaps
from ...locations import views
from ...model import clock
from ...reading import aggregates
from ...reading.columns import Position
from ...reading.rows import WeatherRow, read_rows
from ...storage.engine import get_db_session
from .. import params
from .chart_series import of_buckets, of_rows
from .layout import blueprint, render
from .plotly_figure import figure
from .script import plotly
from .summary import summary

MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


class Range(NamedTuple):
    """A length of time that can be looked at."""

    title: str
    length: timedelta
    #: Buckets of the summary, and of the charts where there are too many rows for them.
    bucket: str
    coarse: str
    #: Whether single rows are shown, if there are not too many.
    has_rows: bool


RANGES: Final = {
    "24h": Range("24 hours", DAY, "hour", "5m", has_rows=True),
    "7d": Range("7 days", 7 * DAY, "hour", "hour", has_rows=True),
    "30d": Range("30 days", 30 * DAY, "hour", "hour", has_rows=True),
    "1y": Range("1 year", 365 * DAY, "day", "day", has_rows=False),
}

#: Rows that are drawn one by one at most.
_MOST_ROWS: Final = 1500


@blueprint.get("/location")
def place() -> Response:
    """One location, as a page: charts, numbers, gaps and downloads."""
    params.refuse_unknown(("name", "range", "end"))
    name = request.args.get("name", "")
    if not name:
        raise BadInputError("name", name, "must be the name of a location")
    word = params.word("range", tuple(RANGES)) or "24h"
    chosen, now = RANGES[word], clock.now()
    end = _end(now)
    start = _floor(end - chosen.length, DAY if chosen.bucket == "day" else HOUR)
    with get_db_session(read_only=True) as session:
        known = views.get_location_view(session, name)
        newest, _ = read_rows(session, location=name, limit=1)
        rows, more = _rows(session, name, start, end) if chosen.has_rows else ([], None)
        summed = aggregates.read_buckets(session, location=name, start=start, end=end, bucket=chosen.bucket, zone="UTC")
        is_coarse = more is not None or not chosen.has_rows
        if is_coarse and chosen.coarse != chosen.bucket:
            drawn = aggregates.read_buckets(session, location=name, start=start, end=end, bucket=chosen.coarse, zone="UTC")
        else:
            drawn = summed
        gaps, more_gaps = list_gaps(session, start, end, location=name, limit=100)
    course = of_buckets(drawn) if is_coarse else of_rows(rows)
    shown = [*newest, *rows]
    providers = Counter(row.provider for row in shown)
    providers.update(other for row in shown for other in (row.providers or {}).values())
    script = plotly()
    return render(
        "location.html",
        providers=providers,
        known=known,
        zone_time=now.astimezone(ZoneInfo(known.timezone)) if known.timezone else None,
        newest=newest[0] if newest else None,
        figure=figure(course, gaps, start, end),
        is_empty=not course.times,
        is_coarse=is_coarse,
        summary=summary(summed),
        due=sum(bucket.due for bucket in summed),
        stored=sum(bucket.stored for bucket in summed),
        gaps=[{"gap": gap, "end": gap.last_slot + timedelta(seconds=1)} for gap in gaps],
        wants_token=bool(get_settings().api_tokens),
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
    found, more = read_rows(session, location=name, start=start, end=end, limit=_MOST_ROWS)
    return found[::-1], more


def _end(now: datetime) -> datetime:
    """Where the time that is looked at ends: with this minute, or at an earlier instant that was asked for."""
    asked, latest = params.instant("end"), _floor(now, MINUTE) + MINUTE
    if asked is None:
        return latest
    if asked < datetime(1980, 1, 1, tzinfo=now.tzinfo):
        raise BadInputError("end", request.args["end"], "must be in 1980 or later")
    return min(asked, latest)


def _floor(at: datetime, length: timedelta) -> datetime:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (at - midnight) // length * length

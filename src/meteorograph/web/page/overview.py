"""``/``: the newest values of every location."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from flask import Response, request
from sqlalchemy.exc import SQLAlchemyError

from ...config.loading import get_settings
from ...errors import BadInputError, MeteorographError
from ...model import clock
from ...reading import overview
from ...storage.engine import get_db_session
from .. import params
from ..health import report
from .layout import blueprint, page_number, render
from .sparkline import sparkline

#: Locations of a page.
LIMIT: Final = 50
_DAY: Final = timedelta(days=1)


@blueprint.get("/")
def page() -> Response:
    """The newest values of every location, as a page; it answers also while the database does not."""
    params.refuse_unknown(("q", "show", "page"))
    words, show, number = words_asked_for(), params.word("show", ("all", "stale")) or "all", page_number()
    now = clock.now()
    since = now - min(_DAY, overview.MAX_POINTS * get_settings().interval)
    only, skip = report()[0]["stale"] if show == "stale" else None, (number - 1) * LIMIT
    found = overview.OverviewPage([], 0)
    try:
        with get_db_session(read_only=True) as session:
            found = overview.read_overview_page(session, words=words, only=only, skip=skip, limit=LIMIT, since=since)
    except (MeteorographError, SQLAlchemyError):
        pass  # the state of the service says it
    rows = [one.row for one in found.cards if one.row is not None]
    return render(
        "overview.html",
        providers={row.provider for row in rows} | {name for row in rows for name in (row.providers or {}).values()},
        shown=[(one.location, one.row, sparkline(one.temperatures, since, now)) for one in found.cards],
        total=found.total,
        words=words,
        show=show,
        number=number,
        pages=-(-found.total // LIMIT),
        first=skip + 1,
        course_seconds=(now - since).total_seconds(),
    )


def words_asked_for() -> str:
    """The parameter ``q``: what a name or a tag must have in it."""
    words = request.args.get("q", "").strip()
    if len(words) > 200:
        raise BadInputError("q", words, "must be 200 characters or fewer")
    return words

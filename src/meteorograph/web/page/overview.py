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
from ..health_report import read_report
from .layout import blueprint, page_number, render
from .sparkline import sparkline

#: Locations per page.
LIMIT: Final = 50
_DAY: Final = timedelta(days=1)


@blueprint.get("/")
def page() -> Response:
    """The overview page: newest values of every location. It works without the database."""
    params.refuse_unknown(("q", "show", "page"))
    words, show, number = search_text(), params.word("show", ("all", "stale")) or "all", page_number()
    now = clock.now()
    since = now - min(_DAY, overview.MAX_POINTS * get_settings().interval)
    only, skip = read_report().stale if show == "stale" else None, (number - 1) * LIMIT
    overview_page = overview.OverviewPage([], 0)
    try:
        with get_db_session(read_only=True) as session:
            overview_page = overview.read_overview_page(session, words=words, only=only, skip=skip, limit=LIMIT, since=since)
    except (MeteorographError, SQLAlchemyError):
        pass  # the page shows the state of the service
    rows = [card.row for card in overview_page.cards if card.row is not None]
    return render(
        "overview.html",
        providers={row.provider for row in rows} | {name for row in rows for name in (row.providers or {}).values()},
        shown=[(card.location, card.row, sparkline(card.temperatures, since, now)) for card in overview_page.cards],
        total=overview_page.total,
        words=words,
        show=show,
        number=number,
        pages=-(-overview_page.total // LIMIT),
        first=skip + 1,
        course_seconds=(now - since).total_seconds(),
    )


def search_text() -> str:
    """The parameter ``q``: part of a name or tag."""
    words = request.args.get("q", "").strip()
    if len(words) > 200:
        raise BadInputError("q", words, "must be 200 characters or fewer")
    return words

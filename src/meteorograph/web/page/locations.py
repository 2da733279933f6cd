"""``/locations``: list and change locations. Buttons and forms call ``/api/locations``."""

from __future__ import annotations

from flask import Response

from ...accounts.call_plan import interval_text
from ...config.loading import get_settings
from ...model import clock
from ...reading import overview
from ...storage.engine import get_db_session
from .. import access, params
from .layout import blueprint, page_number, render
from .overview import LIMIT, search_text


@blueprint.get("/locations")
def places() -> Response:
    """The page that lists and changes locations."""
    params.refuse_unknown(("q", "page"))
    words, number, settings = search_text(), page_number(), get_settings()
    with get_db_session(read_only=True) as session:
        page = overview.read_overview_page(
            session, words=words, only=None, skip=(number - 1) * LIMIT, limit=LIMIT, since=clock.now()
        )
    return render(
        "locations.html",
        shown=page.cards,
        total=page.total,
        words=words,
        number=number,
        pages=-(-page.total // LIMIT),
        first=(number - 1) * LIMIT + 1,
        interval=interval_text(settings.interval),
        wants_token=access.wants_token(),
    )

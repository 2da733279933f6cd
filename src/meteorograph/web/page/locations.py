"""``/locations`` and ``/locations/edit``: list and change locations. Buttons and forms call ``/api/locations``."""

from __future__ import annotations

from flask import Response, request

from ...accounts.call_plan import interval_text
from ...config.loading import get_settings
from ...locations.repository import get_location
from ...model import clock
from ...reading.overview import read_cards
from ...reading.overview_order import numbered_page
from ...storage.engine import get_db_session
from .layout import blueprint, page_number, render
from .overview import LIMIT, search_text
from .preferences import refuse_unknown


@blueprint.get("/locations")
def places() -> Response:
    """The page that lists and changes locations."""
    refuse_unknown(("q", "page"))
    words, number, settings = search_text(), page_number(), get_settings()
    with get_db_session(read_only=True) as session:
        ids, total = numbered_page(session, words, (number - 1) * LIMIT, LIMIT)
        cards = read_cards(session, ids, clock.now(), has_day=False)
    return render(
        "locations.html",
        shown=cards,
        total=total,
        words=words,
        number=number,
        pages=-(-total // LIMIT),
        first=(number - 1) * LIMIT + 1,
        interval=interval_text(settings.interval),
    )


@blueprint.get("/locations/edit")
def edit_location() -> Response:
    """The page that changes, collects and removes one location."""
    refuse_unknown(("name",))
    with get_db_session(read_only=True) as session:
        location = get_location(session, request.args.get("name", ""))
    tags = ("; " if any("," in tag for tag in location.tags or ()) else ", ").join([*(location.tags or ()), ""])
    return render("location_edit.html", location=location, tags=tags, interval=interval_text(get_settings().interval))

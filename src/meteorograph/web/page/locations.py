"""``/locations`` and ``/locations/edit``: list and change locations. Buttons and forms call ``/api/locations``."""

from __future__ import annotations

from collections.abc import Sequence

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
from .preferences import read_preferences, refuse_unknown


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
    elevation = "" if location.elevation is None else f"{location.elevation:.10g}"
    return render(
        "location_edit.html",
        location=location,
        elevation=read_preferences().language.numeral(elevation),
        tags=_tags_text(location.tags or ()),
        interval=interval_text(get_settings().interval),
    )


def _tags_text(tags: Sequence[str]) -> str:
    """Tags as they are typed: separated by semicolons, and one at the end, if a tag has a comma."""
    return "; ".join([*tags, ""]) if any("," in tag for tag in tags) else ", ".join(tags)

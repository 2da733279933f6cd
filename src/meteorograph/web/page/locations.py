"""``/locations``: the places that are collected. Its buttons and forms speak to ``/api/locations`` as any script does."""

from __future__ import annotations

from flask import Response

from ...accounts.call_plan import interval_text
from ...config.loading import get_settings
from ...model import clock
from ...reading import overview
from ...storage.engine import get_db_session
from .. import params
from .layout import blueprint, page_number, render
from .overview import LIMIT, words_asked_for


@blueprint.get("/locations")
def places() -> Response:
    """The places that are collected, as a page that also changes them."""
    params.refuse_unknown(("q", "page"))
    words, number, settings = words_asked_for(), page_number(), get_settings()
    with get_db_session(read_only=True) as session:
        found = overview.read_overview_page(
            session, words=words, only=None, skip=(number - 1) * LIMIT, limit=LIMIT, since=clock.now()
        )
    return render(
        "locations.html",
        shown=found.cards,
        total=found.total,
        words=words,
        number=number,
        pages=-(-found.total // LIMIT),
        first=(number - 1) * LIMIT + 1,
        interval=interval_text(settings.interval),
        wants_token=bool(settings.api_tokens),
    )

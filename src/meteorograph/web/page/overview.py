"""``/``: the state of the service in a sentence, three facts, and the newest weather of every location."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from flask import Response, request
from markupsafe import Markup
from sqlalchemy.exc import SQLAlchemyError

from ...config.loading import get_settings
from ...errors import BadInputError, MeteorographError
from ...i18n import Language, Phrase, phrase_in
from ...model import clock, sun
from ...model.flags import is_suspect
from ...reading import overview
from ...reading.overview_order import MOST_BY_RAIN, OverviewQuery, Position, TooManyToSortError
from ...storage.engine import get_db_session
from .. import params
from ..health_report import HealthReport, read_report
from .display import Display
from .facts import Facts, read_facts
from .icons import icon, icon_name
from .layout import blueprint, render
from .map_view import check_map_view, map_context, map_policy
from .preferences import read_preferences, refuse_unknown
from .sparkline import Sparkline, sparkline
from .weather_words import weather_words

#: Locations per page.
LIMIT: Final = 50
_DAY: Final = timedelta(days=1)

#: Column → its title, and how it is sorted first.
_COLUMNS: Final = {
    "name": (Phrase("Place"), "name"),
    "weather": (Phrase("Weather"), "-weather"),
    "temperature": (Phrase("Temperature"), "-temperature"),
    "rain": (Phrase("Rain 24 h"), "-rain"),
    "wind": (Phrase("Wind"), "-wind"),
    "age": (Phrase("Observed"), "-age"),
}

#: Order → what it is called in the list of orders.
_ORDERS: Final = {
    "attention": Phrase("Attention first"),
    "name": Phrase("Name"),
    "-name": Phrase("Name, Z to A"),
    "-weather": Phrase("Worst weather"),
    "weather": Phrase("Best weather"),
    "-temperature": Phrase("Warmest"),
    "temperature": Phrase("Coldest"),
    "-rain": Phrase("Wettest"),
    "rain": Phrase("Driest"),
    "-wind": Phrase("Windiest"),
    "wind": Phrase("Calmest"),
    "-age": phrase_in("places", "Oldest"),
    "age": phrase_in("places", "Newest"),
}


#: Parameters that the links of the page keep: what is shown, in which order, and where the map looks.
_KEPT: Final = ("q", "show", "sort", "quantity", "centre", "zoom")


@dataclass(frozen=True, slots=True)
class ShownCard:
    """A location with what the template draws of it."""

    card: overview.LocationCard
    line: Sparkline | None
    #: Parts of the icon, and its words; None if the weather is unknown.
    icon: Markup | None
    words: str | None
    is_suspect: bool


@blueprint.get("/")
def page() -> Response:
    """The overview page. It works without the database."""
    refuse_unknown(("q", "show", "view", "sort", "cursor", "quantity", "centre", "zoom"))
    show = params.word("show", ("all", "stale")) or "all"
    report = read_report(may_be_recent=True)
    is_map = params.word("view", ("list", "map")) == "map"
    view = "map" if is_map else "list"
    check_map_view()
    common: dict[str, Any] = {"report": report, "words": search_text(), "show": show, "order": _order(), "view": view}
    common["kept"] = {name: value for name in _KEPT if (value := request.args.get(name, "")) not in ("", "all", "attention")}
    if not is_map:
        return _list(report, common)
    settings, facts = get_settings(), Facts(0, None, 0)
    try:
        with get_db_session(read_only=True) as session:
            facts = read_facts(session, settings, report, clock.now())
    except (MeteorographError, SQLAlchemyError):
        common["report"] = read_report()  # the one of before may not know
    response = render("overview_map.html", facts=facts, **common, **map_context(settings, Display(read_preferences())))
    response.headers["Content-Security-Policy"] = map_policy(settings)
    return response


def _list(report: HealthReport, common: dict[str, Any]) -> Response:
    order, now = common["order"], clock.now()
    is_late = common["show"] == "stale"
    query = OverviewQuery(LIMIT, common["words"], is_late, order.lstrip("-"), order.startswith("-"), _position())
    found, facts = overview.OverviewPage([]), Facts(0, None, 0)
    try:
        with get_db_session(read_only=True) as session:
            found = overview.read_overview_page(session, query, report.stale, now)
            facts = read_facts(session, get_settings(), report, now)
    except TooManyToSortError:
        raise BadInputError("sort", order, f"must be another one with more than {MOST_BY_RAIN} locations") from None
    except (MeteorographError, SQLAlchemyError):
        common["report"] = read_report()  # the page shows the state of the service; the one of before may not know
    language = read_preferences().language
    has_rain = found.total <= MOST_BY_RAIN
    rows = [card.row for card in found.cards if card.row is not None]
    providers = {row.provider for row in rows} | {name for row in rows for name in (row.providers or {}).values()}
    return render(
        "overview.html",
        providers=providers | {name for card in found.cards for name in card.day.rain_providers},
        shown=[_shown(card, now, language) for card in found.cards],
        total=found.total,
        facts=facts,
        orders={key: title for key, title in _ORDERS.items() if has_rain or key.lstrip("-") != "rain"},
        columns=_COLUMNS,
        has_rain=has_rain,
        following=found.following and params.cursor(json.dumps(found.following)),
        is_first="cursor" not in request.args,
        **common,
    )


def _shown(card: overview.LocationCard, now: datetime, language: Language) -> ShownCard:
    line, row = sparkline(card.day.temperatures, now - _DAY, now), card.row
    if row is None:
        return ShownCard(card, line, None, None, is_suspect=False)
    name = icon_name(row.weather_code, row.condition, row.cloud_cover)
    location, at = card.location, row.observed_at or row.due_at
    is_night = sun.elevation(location.latitude, location.longitude, at) < sun.HORIZON
    return ShownCard(
        card,
        line,
        icon(name, is_night=is_night) if name else None,
        weather_words(row.condition, name, language),
        is_suspect=is_suspect((row.flags or {}).get("temperature", ())),
    )


def search_text() -> str:
    """The parameter ``q``: part of a name or tag."""
    words = request.args.get("q", "").strip()
    if len(words) > 200:
        raise BadInputError("q", words, "must be 200 characters or fewer")
    return words


def _order() -> str:
    """The parameter ``sort``: one of ``SORTS``, after a minus for the largest first."""
    return params.word("sort", tuple(_ORDERS)) or "attention"


def _position() -> Position | None:
    """The position in the parameter ``cursor``."""
    plain = params.after()
    if plain is None:
        return None
    try:
        key, name = json.loads(plain)
    except (ValueError, TypeError):
        key, name = 0, None
    is_number = key is None or (isinstance(key, int | float) and not isinstance(key, bool) and key - key == 0)
    if not is_number or not isinstance(name, str) or "\0" in name:
        raise BadInputError("cursor", request.args["cursor"], "must be that of a previous page")
    return Position(key, name)

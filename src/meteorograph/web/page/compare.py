"""``/compare``: up to eight places in one chart, or one place by its providers."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, request
from sqlalchemy.orm import Session

from ...errors import BadInputError
from ...locations import views
from ...model import clock
from ...model.quantities import BY_NAME
from ...providers.registry import PROVIDERS
from ...storage.engine import get_db_session
from .. import params
from .compare_chart import MAX_LINES, chart
from .compare_data import MAX_ROWS, QUANTITIES, difference, read_places, read_providers
from .display import Display
from .layout import blueprint, render
from .location_range import RANGES, Period, read_period
from .preferences import read_preferences, refuse_unknown
from .words import quantity_word

#: Length of the means of each period: some hundred points a line.
_BUCKETS: Final = {"24h": "15m", "7d": "hour", "30d": "3h", "1y": "day"}


@blueprint.get("/compare")
def compare() -> Response:
    """The page that compares places, or the providers of one place."""
    refuse_unknown(("location", "quantity", "range", "start", "end", "by"), ("location",))
    names = _names()
    quantity = params.word("quantity", QUANTITIES) or QUANTITIES[0]
    is_by_provider = params.word("by", ("place", "provider")) == "provider"
    if is_by_provider and len(names) != 1:
        raise BadInputError("location", None, "must be one location for by=provider")
    now = clock.now()
    with get_db_session(read_only=True) as session:
        locations = [views.get_location_view(session, name) for name in names]
        zones = {one.timezone for one in locations}
        zone = zones.pop() if len(zones) == 1 else None
        display = Display(read_preferences(), zone)
        period = read_period(now, display.zone)
        content = _compare(
            session, [] if period.is_future else [one.name for one in locations], quantity, period, display, is_by_provider
        )
        known = views.list_locations(session, state="active", limit=params.MAX_LIMIT)
    return render(
        "compare.html",
        names=[one.name for one in locations],
        known=[one.name for one in known],
        quantity=quantity,
        quantities=QUANTITIES,
        by="provider" if is_by_provider else "place",
        ranges={word: one.title for word, one in RANGES.items()},
        period=period,
        kept={name: request.args.get(name) for name in ("start", "end")} | {"range": period.word},
        most=MAX_LINES,
        place_zone=zone,
        **content,
    )


def _names() -> list[str]:
    names = list(dict.fromkeys(name for name in request.args.getlist("location") if name))
    if len(names) > MAX_LINES:
        raise BadInputError("location", f"{len(names)} names", f"may be given {MAX_LINES} times at most")
    return names


def _bucket(period: Period) -> str:
    """The length of the means of a period."""
    return _BUCKETS[next(word for word, one in RANGES.items() if one is period.range)]


def _compare(
    session: Session, names: list[str], quantity: str, period: Period, display: Display, is_by_provider: bool
) -> dict[str, Any]:
    """The chart and the table."""
    start, end, is_cut = period.start, period.end, False
    if is_by_provider and names:
        lines, is_cut = read_providers(session, names[0], quantity, start, end)
    else:
        lines = read_places(session, names, quantity, start, end, _bucket(period))
    lines = lines[:MAX_LINES]
    titles = [PROVIDERS[line.name].title if is_by_provider and line.name in PROVIDERS else line.name for line in lines]
    named = quantity_word(quantity, language=display.language)
    label = display.language.say("{quantity} of {places}", quantity=named, places=", ".join(titles))
    has_values = any(line.values for line in lines)
    first = lines[0] if lines else None
    return {
        "picture": chart(lines, quantity, display, start, end, label) if has_values else None,
        "rows": [
            {"line": line, "title": title, "difference": difference(line, first) if first and line is not first else None}
            for line, title in zip(lines, titles, strict=True)
        ],
        "step": BY_NAME[quantity].name,
        "is_cut": is_cut,
        "max_rows": MAX_ROWS,
        "providers": [line.name for line in lines] if is_by_provider else [],
    }

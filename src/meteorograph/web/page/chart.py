"""``/chart.svg``: the meteogram of a location as a picture of its own, to embed and to print."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final

from flask import Response, request

from ...errors import BadInputError
from ...i18n import DateStyle
from ...locations import views
from ...locations.views import LocationView
from ...model import clock
from ...storage.engine import get_db_session
from .. import params
from .display import Display
from .layout import blueprint
from .location_range import MINUTE, floor, read_period
from .meteogram import NARROW, WIDE, meteogram
from .meteogram_data import MeteogramData
from .meteogram_panels import read_panels
from .meteogram_reading import read_meteogram
from .preferences import read_preferences, refuse_unknown

#: Widths of the picture, and themes: that of the system, or always one.
_WIDTHS: Final = {"wide": WIDE, "narrow": NARROW}
_THEMES: Final = ("auto", "light", "dark")


@blueprint.get("/chart.svg")
def chart() -> Response:
    """The meteogram of a location as SVG."""
    refuse_unknown(("location", "range", "start", "end", "quantities", "width", "theme"))
    name = request.args.get("location", "")
    if not name:
        raise BadInputError("location", name, "must be the name of a location")
    now, theme = floor(clock.now(), MINUTE), params.word("theme", _THEMES) or "auto"
    panels = read_panels()
    width = _WIDTHS[params.word("width", tuple(_WIDTHS)) or "wide"]
    with get_db_session(read_only=True) as session:
        location = views.get_location_view(session, name)
        display = Display(read_preferences(), location.timezone)
        period = read_period(now, display.zone)
        data = read_meteogram(session, name, period.start, period.end, display.zone, now)
    style = _style(theme)
    picture = meteogram(
        data,
        display,
        place=(location.latitude, location.longitude),
        now=now,
        title=chart_title(location, data, display, panels),
        width=width,
        panels=panels,
    )
    head, _, rest = picture.partition(">")
    response = Response(f"{head}><style>{style}</style>{rest}", mimetype="image/svg+xml")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    response.headers["Content-Security-Policy"] = f"default-src 'none'; style-src 'sha256-{digest}'"
    # Pages of other sites may show the picture; they cannot read it.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Cache-Control"] = "private, no-cache"
    response.vary.update(("Cookie", "Accept-Language"))
    response.set_etag(hashlib.blake2b(response.get_data(), digest_size=12).hexdigest())
    response.make_conditional(request)
    return response


def chart_title(location: LocationView, data: MeteogramData, display: Display, panels: Collection[str]) -> str:
    """What the picture shows, for a screen reader."""
    lines = data.lines
    # Of means, the extremes of their times: the summary below the picture says the same.
    columns = (lines.lowest, lines.highest) if lines.lowest else (lines.values["temperature"],)
    values = [value for column in columns for value in column if value is not None and "temperature" in panels]
    say = display.language.say
    start, end = _when(data.start, display), f"{_when(data.end, display)} {display.label(data.end)}"
    title = say("Meteogram of {place}, {start} to {end}", place=location.name, start=start, end=end)
    if not values:
        return title
    low, high = display.value("temperature", min(values)), display.value("temperature", max(values))
    unit = display.unit("temperature")
    return say("{title}: temperature {low} to {high} {unit}", title=title, low=low, high=high, unit=unit)


def _when(at: datetime, display: Display) -> str:
    local = display.local(at)
    return f"{display.language.date(local, DateStyle.LONG)} {local:%H:%M}"


@cache
def _style(theme: str) -> str:
    """The style sheet of the page's meteograms, in one theme or in that of the system."""
    static = files("meteorograph.web") / "static"
    text, dark = ((static / name).read_text(encoding="utf-8") for name in ("weather.css", "dark.css"))
    if theme != "light":
        text += dark if theme == "dark" else f"@media screen and (prefers-color-scheme: dark){{{dark}}}"
    return text + "svg{background:var(--m-sheet)}"

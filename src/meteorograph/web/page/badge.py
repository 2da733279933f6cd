"""``/badge.svg``: a small picture with how fresh a location or all of them are, or with a temperature, to embed elsewhere."""

from __future__ import annotations

from typing import Final, NamedTuple

from flask import Response, make_response, render_template, request

from ...errors import BadInputError
from ...i18n import Language
from ...locations import views
from ...model import clock
from ...quality.row_checks import MAX_CLOCK_LEAD
from ...reading.rows import read_rows
from ...storage.engine import get_db_session
from .. import params
from ..health_report import HealthReport, HealthStatus, read_report
from .display import Display
from .filters import duration
from .layout import blueprint
from .preferences import Preferences, read_preferences, refuse_unknown
from .words import state_word

_SHOWS: Final = ("freshness", "temperature")

#: Dark enough for white letters (a contrast of 4.5 at least).
_GOOD, _LATE, _BAD, _UNKNOWN = "#187547", "#8a5a00", "#b3261e", "#566573"

#: Width of a letter of 11 px, and of the space beside a text [px].
_LETTER: Final = 6.7
_SPACE: Final = 12

_MAX_AGE_SECONDS: Final = 60


class Badge(NamedTuple):
    """Label and text, and the colour of the text's side."""

    label: str
    text: str
    colour: str

    @property
    def widths(self) -> tuple[int, int]:
        """The widths of both sides [px]; letters are not measured, so that the picture is the same everywhere."""
        return round(len(self.label) * _LETTER + _SPACE), round(len(self.text) * _LETTER + _SPACE)


@blueprint.get("/badge.svg")
def badge() -> Response:
    """The badge of a location, or without one that of the service."""
    refuse_unknown(("location", "show"))
    name, show = request.args.get("location"), params.word("show", _SHOWS) or "freshness"
    report = read_report()
    if name is None:
        if show == "temperature":
            raise BadInputError("location", name, "must be the name of a location for show=temperature")
        made = _of_service(report, read_preferences().language)
    else:
        preferences = read_preferences()
        made = _temperature(name, preferences) if show == "temperature" else _freshness(name, report, preferences.language)
    response = make_response(render_template("badge.svg", badge=made))
    response.mimetype = "image/svg+xml"
    response.headers["Cache-Control"] = f"max-age={_MAX_AGE_SECONDS}"
    response.vary.update(("Cookie", "Accept-Language"))
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # it is made to be shown on other sites
    return response


def _of_service(report: HealthReport, language: Language) -> Badge:
    total, late, label = len(report.freshness), len(report.stale), language.say("weather")
    if not report.is_database_up or report.status == HealthStatus.FAILING:
        return Badge(label, language.say("failing"), _BAD)
    if report.status == HealthStatus.STARTING or not total:
        return Badge(label, language.say("starting") if total else language.say("no places"), _UNKNOWN)
    text = language.say_n("{part:,} of {count:,} up to date", "{part:,} of {count:,} up to date", total, part=total - late)
    return Badge(label, text, _LATE if late else _GOOD)


def _freshness(name: str, report: HealthReport, language: Language) -> Badge:
    with get_db_session(read_only=True) as session:
        location = views.get_location_view(session, name)  # under its canonical name
    age = report.freshness.get(location.name)
    if age is None:
        text = language.say("no data") if location.state == "active" else state_word(location.state, "place", language=language)
        return Badge(location.name, text, _UNKNOWN)
    text = language.say("{duration} old", duration=duration(age, language=language))
    return Badge(location.name, text, _LATE if location.name in report.stale else _GOOD)


def _temperature(name: str, preferences: Preferences) -> Badge:
    now = clock.now()
    with get_db_session(read_only=True) as session:
        location = views.get_location_view(session, name)
        rows, _ = read_rows(session, location=location.name, end=now + MAX_CLOCK_LEAD, limit=1)
    display, language = Display(preferences), preferences.language
    value = rows[0].temperature if rows else None
    if value is None:
        return Badge(location.name, language.say("no data"), _UNKNOWN)
    at = rows[0].observed_at or rows[0].due_at
    age = language.say("{duration} old", duration=duration(max(0.0, (now - at).total_seconds()), language=language))
    is_suspect = bool(rows[0].flags_of("temperature"))
    parts = [
        f"{display.value('temperature', value)} {display.unit('temperature')}",
        *([language.say("suspect")] if is_suspect else []),
        age,
    ]
    text = ", ".join(parts)
    return Badge(location.name, text, _LATE if is_suspect else _GOOD)

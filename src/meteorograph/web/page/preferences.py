"""Units, time zone, language and colours of the pages, as the reader has chosen them: in the address, or kept in a cookie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast
from zoneinfo import ZoneInfo

from flask import Response, request

from ...errors import BadInputError
from ...i18n import CODES, Language, Phrase, get_language, preferred_code
from ...model.time_buckets import zone_or_utc
from ...model.units import System
from .. import params

#: The systems to choose from, and what they are called.
SYSTEMS: Final = {"metric": Phrase("Metric"), "imperial": Phrase("Imperial"), "si": Phrase("SI")}

#: The colours to choose from, and what they are called; ``auto`` are those that the browser prefers.
THEMES: Final = {"auto": Phrase("Auto"), "light": Phrase("Light"), "dark": Phrase("Dark")}

#: The zone of the place that is shown; UTC where a page shows more than one place.
PLACE: Final = "place"
UTC: Final = "UTC"

_NAMES: Final = ("units", "zone", "lang", "theme")
_YEAR_SECONDS: Final = 365 * 86400


@dataclass(frozen=True, slots=True)
class Preferences:
    """How numbers and times are written."""

    units: System = "metric"
    #: ``place``, ``UTC`` or the name of an IANA time zone, such as that of the browser.
    zone: str = PLACE
    #: Code of the language.
    lang: str = "en"
    #: ``auto``, ``light`` or ``dark``.
    theme: str = "auto"

    @property
    def language(self) -> Language:
        """The language."""
        return get_language(self.lang)

    def zone_of(self, place_zone: str | None) -> ZoneInfo:
        """The zone in which times of a place are written, whose own zone is ``place_zone``."""
        return zone_or_utc(place_zone if self.zone == PLACE else self.zone)


def refuse_unknown(known: Sequence[str], repeated: Sequence[str] = ()) -> None:
    """Refuse parameters that neither the page nor the preferences have; some may be repeated."""
    params.refuse_unknown((*known, *_NAMES), repeated)


def read_preferences() -> Preferences:
    """The preferences of this request: its parameters, else its cookies, else metric units, the zone of the place, and the first
    language that the browser wants and we have.

    Raises:
        BadInputError: A parameter has a value that is not allowed. A cookie with such a value is ignored.
    """
    units, zone, lang, theme = (request.args.get(name) for name in _NAMES)
    if units is not None and units not in SYSTEMS:
        raise BadInputError("units", units, f"must be one of {', '.join(SYSTEMS)}")
    if zone is not None and not _is_zone(zone):
        raise BadInputError("zone", zone, "must be place, UTC or an IANA time zone such as Europe/Dublin")
    if lang is not None and lang not in CODES:
        raise BadInputError("lang", lang, f"must be one of {', '.join(CODES)}")
    if theme is not None and theme not in THEMES:
        raise BadInputError("theme", theme, f"must be one of {', '.join(THEMES)}")
    kept_units, kept_zone = request.cookies.get("units", ""), request.cookies.get("zone", "")
    return Preferences(
        units=cast(System, units or (kept_units if kept_units in SYSTEMS else "metric")),
        zone=zone or (kept_zone if _is_zone(kept_zone) else PLACE),
        lang=read_lang(),
        theme=theme or read_theme(),
    )


def read_lang() -> str:
    """The language of this request. One that we do not have is no error here: error pages need a language too."""
    for chosen in (request.args.get("lang"), request.cookies.get("lang")):
        if chosen in CODES:
            return chosen
    return preferred_code([wanted for wanted, quality in request.accept_languages if quality])  # 0 refuses a language


def read_theme() -> str:
    """The kept choice of colours."""
    kept = request.cookies.get("theme")
    return kept if kept in THEMES else "auto"


def keep_preferences(response: Response) -> None:
    """Keep the choice of this address in cookies; without a choice, the cookies stay as they are."""
    response.vary.update(("Cookie", "Accept-Language"))
    for name in _NAMES:
        if (value := request.args.get(name)) is not None and response.status_code < 400:
            path = f"{request.script_root}/"
            response.set_cookie(name, value, max_age=_YEAR_SECONDS, path=path, httponly=True, samesite="Lax")


def zone_label(at: datetime) -> str:
    """What the zone of an instant is called at that instant, such as ``CET`` or ``UTC-3``."""
    name = at.tzname() or UTC
    return f"UTC{name[:3]}{':' + name[3:] if name[3:] else ''}" if name[:1] in "+-" else name


def _is_zone(text: str) -> bool:
    return text in (PLACE, UTC) or params.is_zone(text)

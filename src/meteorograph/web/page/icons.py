"""Weather icons of our own: SVG parts in a box of 24 x 24, chosen by the code of WMO table 4677. Pure."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from ...i18n import Phrase, phrase_in
from ...providers.weather_codes import CLEAR, MAINLY_CLEAR, OVERCAST, PARTLY_CLOUDY, code_of_sky

_CLOUD: Final = "M7 18.5h10.4a4.1 4.1 0 0 0 .6-8.15 6 6 0 0 0-11.5.35A3.95 3.95 0 0 0 7 18.5z"
_HIGH_CLOUD: Final = "M7 15h10.4a4.1 4.1 0 0 0 .6-8.15 6 6 0 0 0-11.5.35A3.95 3.95 0 0 0 7 15z"
_SUN: Final = (
    '<g class="i-sun"><circle cx="12" cy="12" r="4.6"/>'
    '<path d="M12 2.2v2.4M12 19.4v2.4M2.2 12h2.4M19.4 12h2.4M5.1 5.1l1.7 1.7M17.2 17.2l1.7 1.7M18.9 5.1l-1.7 1.7'
    'M6.8 17.2l-1.7 1.7"/></g>'
)
_MOON: Final = '<path class="i-moon" d="M16.9 14.9A7.3 7.3 0 0 1 9.1 5.1a7.6 7.6 0 1 0 7.8 9.8z"/>'
_SMALL_SUN: Final = (
    '<g class="i-sun"><circle cx="9" cy="8.2" r="3.6"/><path d="M9 1.4v1.5M2.2 8.2h1.5M4.2 3.4l1.1 1.1M13.8 3.4l-1.1 1.1"/></g>'
)
_SMALL_MOON: Final = '<path class="i-moon" d="M11.8 8.4A4.6 4.6 0 0 1 7.4 2.8a4.9 4.9 0 1 0 4.4 5.6z"/>'

#: What falls: parts below a cloud.
_FALLS: Final = {
    "drizzle": '<path class="i-rain" d="M9 17.5l-.4 1.4M13 17.5l-.4 1.4M11 20.3l-.4 1.4M15 20.3l-.4 1.4"/>',
    "rain": '<path class="i-rain" d="M8.6 17.3l-1.3 4M12.6 17.3l-1.3 4M16.6 17.3l-1.3 4"/>',
    "heavy": '<path class="i-rain i-heavy" d="M7.6 17.3l-1.5 4.7M11 17.3l-1.5 4.7M14.4 17.3l-1.5 4.7M17.8 17.3l-1.5 4.7"/>',
    "sleet": '<path class="i-rain" d="M8.6 17.3l-1.3 4M16.6 17.3l-1.3 4"/><circle class="i-snow" cx="12" cy="19.4" r="1.3"/>',
    "snow": '<path class="i-snow" d="M8 17.1a1.3 1.3 0 1 1-.01 0zM12 19.7a1.3 1.3 0 1 1-.01 0zM16 17.1a1.3 1.3 0 1 1-.01 0z"/>',
    "thunder": '<path class="i-bolt" d="M13 14.5l-3.6 4.4h2.5l-1 3.9 4.2-5.2h-2.6l2-3.1z"/>',
    "fog": '<path class="i-fog" d="M5 18.4h14M7.5 21.4h9"/>',
}

#: Word of each icon, where the provider gives none.
WORDS: Final = {
    "clear": Phrase("clear"),
    "mainly-clear": Phrase("mainly clear"),
    "partly": Phrase("partly cloudy"),
    "overcast": Phrase("overcast"),
    "fog": Phrase("fog or haze"),
    "drizzle": Phrase("drizzle"),
    "rain": phrase_in("weather", "rain"),
    "heavy": Phrase("heavy rain"),
    "showers": Phrase("rain showers"),
    "sleet": Phrase("sleet"),
    "snow": phrase_in("weather", "snow"),
    "thunder": Phrase("thunderstorm"),
}

_SKIES: Final = {CLEAR: "clear", MAINLY_CLEAR: "mainly-clear", PARTLY_CLOUDY: "partly", OVERCAST: "overcast"}

#: Last code of a range of table 4677, and its icon. What was within the last hour (20 to 29) is not the weather now.
_RANGES: Final = (
    *((12, "fog"), (13, "thunder"), (16, "drizzle"), (17, "thunder"), (29, "overcast"), (35, "fog"), (39, "snow"), (49, "fog")),
    *((55, "drizzle"), (57, "sleet"), (59, "drizzle"), (63, "rain"), (65, "heavy"), (69, "sleet"), (79, "snow"), (82, "showers")),
    *((84, "sleet"), (86, "snow"), (90, "sleet"), (94, "rain"), (99, "thunder")),
)


#: Words of providers, for rows without a code: the first that is found decides.
_BY_WORD: Final = (
    *(("thunder", "thunder"), ("sleet", "sleet"), ("rain and snow", "sleet"), ("freezing", "sleet"), ("snow", "snow")),
    *(("drizzle", "drizzle"), ("shower", "showers"), ("heavy rain", "heavy"), ("rain", "rain"), ("fog", "fog"), ("mist", "fog")),
    ("haze", "fog"),
)


def icon_name(code: int | None, words: str | None = None, cloud_cover: float | None = None) -> str | None:
    """The icon of a weather code; without a code that of the words or of the sky; None if nothing is known."""
    if code is None and words:
        spoken = next((name for word, name in _BY_WORD if word in words.casefold()), None)
        if spoken is not None:
            return spoken
    code = code_of_sky(cloud_cover) if code is None else code
    if code is None:
        return None
    return _SKIES.get(code) or next((name for last, name in _RANGES if code <= last), None)


def icon(name: str, *, is_night: bool = False) -> Markup:
    """The parts of an icon, to be put into an ``<svg viewBox="0 0 24 24">``; their colours are classes."""
    if name == "clear":
        return Markup(_MOON if is_night else _SUN)  # noqa: S704  # constants of this module
    has_sky = name in ("mainly-clear", "partly", "showers")
    sky = (_SMALL_MOON if is_night else _SMALL_SUN) if has_sky else ""
    fall = _FALLS.get("rain" if name == "showers" else name, "")
    if name == "mainly-clear":
        cloud = '<path class="i-cloud" d="M12 19.5h6.2a2.9 2.9 0 0 0 .3-5.8 4.2 4.2 0 0 0-8-.2 3 3 0 0 0 1.5 6z"/>'
        sky = (_MOON if is_night else _SUN).replace("<g ", '<g transform="translate(-2 -2)" ', 1)
    else:
        classes = "i-cloud i-dark" if name in ("heavy", "thunder") else "i-cloud"
        cloud = f'<path class="{classes}" d="{_HIGH_CLOUD if fall else _CLOUD}"/>'
    return Markup(sky + cloud + fall)  # noqa: S704  # constants of this module

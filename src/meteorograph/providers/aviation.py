"""Codes of aerodrome reports: cloud cover and weather, and humidity from the dew point. Pure.

Source: WMO-No. 306, Manual on Codes, FM 15 METAR; US Federal Meteorological Handbook No. 1 (FCM-H1), chapter 12.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Final

#: Code → middle of its range of cloud cover [%], and its words. The cover of a layer includes the layers below it, so the
#: largest one is the cover of the whole sky. Codes for "nothing significant" (NSC, CAVOK) do not give the cover.
SKY: Final = {
    "SKC": (0.0, "clear sky"),
    "CLR": (0.0, "clear sky"),
    "NCD": (0.0, "clear sky"),
    "FEW": (18.75, "few clouds"),  # 1 to 2 eighths
    "SCT": (43.75, "scattered clouds"),  # 3 to 4
    "BKN": (75.0, "broken clouds"),  # 5 to 7
    "OVC": (100.0, "overcast"),
    "VV": (100.0, "sky obscured"),
    "OVX": (100.0, "sky obscured"),
}

#: Codes for "nothing significant".
_NO_COVER: Final = frozenset({"NSC", "CAVOK"})

_WORDS: Final = {
    "-": "light", "+": "heavy", "VC": "in the vicinity", "RE": "recent",
    "MI": "shallow", "PR": "partial", "BC": "patches of", "DR": "low drifting", "BL": "blowing", "SH": "showers of",
    "TS": "thunderstorm", "FZ": "freezing",
    "DZ": "drizzle", "RA": "rain", "SN": "snow", "SG": "snow grains", "IC": "ice crystals", "PL": "ice pellets",
    "GR": "hail", "GS": "small hail", "UP": "unknown precipitation",
    "BR": "mist", "FG": "fog", "FU": "smoke", "VA": "volcanic ash", "DU": "dust", "SA": "sand", "HZ": "haze", "PY": "spray",
    "PO": "dust whirls", "SQ": "squalls", "FC": "funnel cloud", "SS": "sandstorm", "DS": "duststorm",
}  # fmt: skip

_CODE: Final = re.compile(f"({'|'.join(map(re.escape, _WORDS))})+")
_PART: Final = re.compile("|".join(map(re.escape, _WORDS)))


def parse_cloud_cover(codes: Iterable[str | None]) -> tuple[float | None, str | None]:
    """Cloud cover [%] and its words from the codes of the layers; None if there is no layer or an unknown code."""
    layers = [SKY.get(code or "") for code in codes]
    covers = [cover for cover in layers if cover]
    return max(covers) if covers and len(covers) == len(layers) else (None, None)


#: Parts of a coded report: its time, the modifier of a fully automatic one, and an hourly amount too small to be measured
#: (FCM-H1, chapter 12).
_TIME: Final = re.compile(r"\b[0-9]{6}Z\b")
_AUTOMATIC: Final = re.compile(r"\bAUTO\b")
_TRACE: Final = re.compile(r"\bP0000\b")


def is_automatic(raw: str | None) -> bool | None:
    """Whether a coded report was made without an observer; None if there is no coded report."""
    return _AUTOMATIC.search(raw) is not None if raw and _TIME.search(raw) else None


def is_clear_below(codes: Iterable[str | None], *, automatic: bool) -> bool:
    """Whether "no cloud" only means that the instrument saw none within its range.

    ``NCD`` always means that. ``CLR`` does in an automatic report: no cloud below 12,000 ft (FCM-H1, chapter 9).
    """
    known = {code for code in codes if code}
    return known == {"NCD"} or (known == {"CLR"} and automatic)


def find_unknown_sky(codes: Iterable[str | None]) -> str | None:
    """The first code that is no code of a layer; None if all are known."""
    return next((code for code in codes if code and code not in SKY and code not in _NO_COVER), None)


def is_trace(raw: str | None) -> bool:
    """Whether a coded report gives the amount of the hour as a trace."""
    return raw is not None and _TRACE.search(raw) is not None


def describe_weather(codes: str | None) -> str | None:
    """The words for weather codes, such as "light rain, mist" for ``-RA BR``; a group with unknown codes is not changed.

    Slashes (``//``) mean that the weather was not observed, and give no words: WMO-No. 306, FM 15, regulation 15.8.
    """
    groups = (group for group in (codes or "").split() if group.strip("/"))
    words = (" ".join(map(_WORDS.__getitem__, _PART.findall(group))) if _CODE.fullmatch(group) else group for group in groups)
    return ", ".join(words) or None


#: A dew point above the temperature by no more than this is saturated air, since both are measured and rounded apart [°C].
_SATURATED: Final = 0.1


def is_saturated(temperature: float | None, dew_point: float | None) -> bool:
    """Whether the dew point [°C] is the temperature [°C], or above it by no more than their rounding."""
    return temperature is not None and dew_point is not None and 0 <= round(dew_point - temperature, 4) <= _SATURATED


def relative_humidity(temperature: float | None, dew_point: float | None) -> float | None:
    """Relative humidity [%] from temperature and dew point [°C]; None if either is missing, or outside -100 °C to 70 °C.

    Saturated air has 100 %.
    Otherwise Magnus' formula over water: e(t) = 6.112 hPa · exp(17.62 t / (243.12 + t)), WMO-No. 8, volume I, annex 4.B.
    """
    if temperature is None or dew_point is None or not (-100 < temperature < 70 and -100 < dew_point < 70):
        return None
    if is_saturated(temperature, dew_point):
        return 100.0
    return round(100 * math.exp(17.62 * dew_point / (243.12 + dew_point) - 17.62 * temperature / (243.12 + temperature)), 4)

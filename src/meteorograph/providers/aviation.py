"""What aerodrome reports are made of: knots, miles, shares of the sky, and codes for the weather. Pure.

Source: WMO-No. 306, Manual on Codes, FM 15 METAR; US Federal Meteorological Handbook No. 1 (FCM-H1), chapter 12.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Final

KNOT: Final = 1852 / 3600  # [m/s]
STATUTE_MILE: Final = 1609.344  # [m]
INCH: Final = 25.4  # [mm]

#: Code → middle of its share of the sky [%], and its words. A layer's share has those below in it, so the largest is the
#: whole sky's. Codes for "nothing significant" (NSC, CAVOK) say nothing of the share.
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


def sky(codes: Iterable[str | None]) -> tuple[float | None, str | None]:
    """Share of the sky that clouds cover [%], and words for it, from the codes of its layers; None unless all are known."""
    known = [SKY.get(code or "") for code in codes]
    layers = [layer for layer in known if layer]
    return max(layers) if layers and len(layers) == len(known) else (None, None)


def weather_words(codes: str | None) -> str | None:
    """``-RA BR`` in words: light rain, mist; a group of unknown codes stays as it is."""
    groups = (codes or "").split()
    return ", ".join(" ".join(map(_WORDS.__getitem__, _PART.findall(g))) if _CODE.fullmatch(g) else g for g in groups) or None


def relative_humidity(temperature: float | None, dew_point: float | None) -> float | None:
    """Relative humidity [%] from temperature and dew point [°C]; None where either is missing or beyond the weather.

    Magnus' formula over water: e(t) = 6.112 hPa · exp(17.62 t / (243.12 + t)), WMO-No. 8, volume I, annex 4.B.
    """
    if temperature is None or dew_point is None or not (-100 < temperature < 70 and -100 < dew_point < 70):
        return None
    return round(100 * math.exp(17.62 * dew_point / (243.12 + dew_point) - 17.62 * temperature / (243.12 + temperature)), 4)

"""The present weather as a code of WMO table 4677, from the codes, symbols and words of providers. Pure.

WMO-No. 306, Manual on Codes, volume I.1, code table 4677 ("ww"). 00 to 03 are used as Open-Meteo uses them, for the state of the
sky: 0 clear, 1 mainly clear, 2 partly cloudy, 3 overcast. Where a provider's class covers several codes, the middle one is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

CLEAR, MAINLY_CLEAR, PARTLY_CLOUDY, OVERCAST = range(4)

#: Largest code of the table.
LARGEST: Final = 99

#: Identifier of OpenWeatherMap: https://openweathermap.org/weather-conditions
OPENWEATHERMAP: Final[Mapping[int, int]] = {
    **{200: 95, 201: 95, 202: 97, 210: 17, 211: 17, 212: 17, 221: 17, 230: 95, 231: 95, 232: 95},
    **{300: 51, 301: 53, 302: 55, 310: 58, 311: 59, 312: 59, 313: 80, 314: 81, 321: 80},
    **{500: 61, 501: 63, 502: 65, 503: 65, 504: 65, 511: 67, 520: 80, 521: 81, 522: 82, 531: 81},
    **{600: 71, 601: 73, 602: 75, 611: 69, 612: 83, 613: 84, 615: 68, 616: 69, 620: 85, 621: 86, 622: 86},
    **{701: 10, 711: 4, 721: 5, 731: 8, 741: 45, 751: 7, 761: 6, 762: 4, 771: 18, 781: 19},
    **{800: CLEAR, 801: MAINLY_CLEAR, 802: PARTLY_CLOUDY, 803: PARTLY_CLOUDY, 804: OVERCAST},
}

#: Code of Weatherstack: https://weatherstack.com/site_resources/Weatherstack-Weather-Condition-Codes.zip
WEATHERSTACK: Final[Mapping[int, int]] = {
    **{113: CLEAR, 116: PARTLY_CLOUDY, 119: OVERCAST, 122: OVERCAST, 143: 10, 248: 45, 260: 49},
    **{176: 80, 179: 85, 182: 83, 185: 56, 200: 17, 227: 38, 230: 39},
    **{263: 50, 266: 51, 281: 57, 284: 57, 293: 60, 296: 61, 299: 62, 302: 63, 305: 64, 308: 65, 311: 66, 314: 67},
    **{317: 68, 320: 69, 323: 70, 326: 71, 329: 72, 332: 73, 335: 74, 338: 75, 350: 79},
    **{353: 80, 356: 81, 359: 82, 362: 83, 365: 84, 368: 85, 371: 86, 374: 87, 377: 88, 386: 95, 389: 97, 392: 95, 395: 97},
}

#: Symbol of MET Norway, without the time of day: https://api.met.no/weatherapi/weathericon/2.0/documentation
MET_NORWAY: Final[Mapping[str, int]] = {
    **{"clearsky": CLEAR, "fair": MAINLY_CLEAR, "partlycloudy": PARTLY_CLOUDY, "cloudy": OVERCAST, "fog": 45},
    **{"lightrain": 61, "rain": 63, "heavyrain": 65, "lightrainshowers": 80, "rainshowers": 81, "heavyrainshowers": 82},
    **{"lightsleet": 68, "sleet": 69, "heavysleet": 69, "lightsleetshowers": 83, "sleetshowers": 84, "heavysleetshowers": 84},
    **{"lightsnow": 71, "snow": 73, "heavysnow": 75, "lightsnowshowers": 85, "snowshowers": 86, "heavysnowshowers": 86},
}

#: Fall and its codes: slight, moderate, heavy. Showers, freezing and mixed falls have their own.
_FALLS: Final[Mapping[str, tuple[int, int, int]]] = {
    **{"DZ": (51, 53, 55), "RA": (61, 63, 65), "SN": (71, 73, 75), "DZRA": (58, 59, 59), "RASN": (68, 69, 69)},
    **{"SG": (77, 77, 77), "IC": (76, 76, 76), "PL": (79, 79, 79), "GR": (89, 90, 90), "GS": (87, 88, 88)},
    **{"SHRA": (80, 81, 82), "SHSN": (85, 86, 86), "SHRASN": (83, 84, 84), "SHGS": (87, 88, 88), "SHPL": (87, 88, 88)},
    **{"SHGR": (89, 90, 90), "FZRA": (66, 67, 67), "FZDZ": (56, 57, 57)},
}

#: Group without a fall, and its code.
_OTHERS: Final[Mapping[str, int]] = {
    **{"FZFG": 49, "FG": 45, "MIFG": 12, "BCFG": 41, "PRFG": 41, "BR": 10, "HZ": 5, "FU": 4, "VA": 4, "DU": 6, "SA": 7, "PY": 7},
    **{"BLDU": 7, "BLSA": 7, "BLPY": 7, "DRDU": 7, "DRSA": 7, "BLSN": 38, "DRSN": 36, "PO": 8, "SQ": 18, "FC": 19},
    **{"SS": 31, "DS": 31, "VCTS": 17, "VCSH": 16, "VCFG": 40, "TS": 17},
}
_HEAVY_OTHERS: Final[Mapping[str, int]] = {"BLSN": 39, "SS": 34, "DS": 34, "FC": 19}

_GROUP: Final = re.compile(r"([+-]?)((?:VC|MI|PR|BC|DR|BL|SH|TS|FZ)?)((?:[A-Z]{2})*)")
_FALL_PARTS: Final = ("DZ", "RA", "SN", "SG", "IC", "PL", "GR", "GS")


def code_of_symbol(symbol: str) -> int | None:
    """The code of a symbol of MET Norway, such as ``lightrainshowers_day``; None for an unknown one."""
    name = symbol.partition("_")[0].replace("lightss", "lights")  # two symbols are misspelt so
    fall = name.removesuffix("andthunder")
    if fall != name and fall in MET_NORWAY:
        return 97 if fall.startswith("heavy") else 95
    return MET_NORWAY.get(name)


def code_of_groups(groups: Iterable[str]) -> int | None:
    """The code of the present weather of an aerodrome report, such as ``-RA`` and ``BR``: the most significant one of the groups.

    That is the largest code; a thunderstorm without a fall (17) precedes 20 to 49. None without a known group; "recent" weather
    is not present.
    """
    codes = [code for group in groups if (code := _code_of_group(group)) is not None]
    return max(codes, key=lambda code: 49.5 if code == 17 else code, default=None)


def code_of_sky(cloud_cover: float | None) -> int | None:
    """The code of the sky without other weather, from its cloud cover [%]."""
    if cloud_cover is None:
        return None
    limits = ((12.5, CLEAR), (37.5, MAINLY_CLEAR), (87.5, PARTLY_CLOUDY))
    return next((code for limit, code in limits if cloud_cover < limit), OVERCAST)


def code_in_table(number: float | None) -> int | None:
    """A code of the table as a whole number; None for a number that is none."""
    return int(number) if number is not None and 0 <= number <= LARGEST and number == int(number) else None


def _code_of_group(group: str) -> int | None:
    match = _GROUP.fullmatch(group)
    if match is None or group.startswith("RE"):
        return None
    sign, descriptor, phenomena = match.groups()
    intensity = {"-": 0, "": 1, "+": 2}[sign]
    parts = {phenomena[index : index + 2] for index in range(0, len(phenomena), 2)}
    falls = [part for part in _FALL_PARTS if part in parts]
    if descriptor == "TS" and (falls or "UP" in parts):
        return _code_of_thunderstorm(falls, intensity)
    if falls and descriptor not in ("VC", "BL", "DR"):
        return _code_of_falls(descriptor, falls, intensity)
    name = f"{descriptor}{phenomena}"
    return _HEAVY_OTHERS.get(name) if intensity == 2 and name in _HEAVY_OTHERS else _OTHERS.get(name)


def _code_of_thunderstorm(falls: list[str], intensity: int) -> int:
    if "GR" in falls or "GS" in falls:
        return 99 if intensity == 2 else 96
    return 97 if intensity == 2 else 95


def _code_of_falls(descriptor: str, falls: list[str], intensity: int) -> int | None:
    """The code of falls in one group: of rain and snow, of drizzle and rain, otherwise the most significant one."""
    prefix = descriptor if descriptor in ("SH", "FZ") else ""
    names = list(falls)
    if {"SN", "RA"} <= set(falls) or {"SN", "DZ"} <= set(falls):
        names.append("RASN")
    elif {"DZ", "RA"} <= set(falls) and not prefix:
        names = [name for name in names if name not in ("DZ", "RA")] + ["DZRA"]
    codes = [(_FALLS.get(prefix + name) or _FALLS[name])[intensity] for name in names]
    if "RASN" in names:
        return (_FALLS.get(f"{prefix}RASN") or _FALLS["RASN"])[intensity]
    return max(codes)

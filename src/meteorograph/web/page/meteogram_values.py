"""The values of a meteogram as numbers, for the script that shows them at the pointer. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from ...i18n import Phrase
from ...providers.registry import PROVIDERS
from .display import Display
from .meteogram_data import MeteogramData
from .words import POINTS

#: Quantities in the order in which they are shown, and what they are called.
_SHOWN: Final = {
    "temperature": "",
    "dew_point": Phrase("dew point"),
    "pressure": "",
    "wind_speed": Phrase("wind"),
    "wind_gust": Phrase("gust"),
    "cloud_cover": Phrase("clouds"),
}


def readout(data: MeteogramData, display: Display, now: datetime) -> dict[str, Any]:
    """Times, values in the units of the reader, bars, and the zone; short, because it is a part of the page."""
    lines = data.lines
    names = [name for name in _SHOWN if any(value is not None for value in lines.values[name])]
    providers = sorted({one for one in lines.providers if one})
    return {
        "start": int(data.start.timestamp()),
        "end": int(data.end.timestamp()),
        "zone": display.zone.key,
        "points": [display.language.say(point) for point in POINTS],
        "times": [int(at.timestamp()) for at in lines.times],
        "quantities": [
            {
                "name": name,
                "title": _SHOWN[name] and display.language.say(_SHOWN[name]),
                "unit": display.unit(name),
                "decimals": display.decimals(name),
                "values": [None if one is None else round(display.convert(name, one), 4) for one in lines.values[name]],
            }
            for name in names
        ],
        "directions": [None if one is None else round(one) for one in lines.values["wind_direction"]],
        "providers": [PROVIDERS[one].title if one in PROVIDERS else one for one in providers],
        "provider": [None if one is None else providers.index(one) for one in lines.providers],
        "rain": {
            "until": int(now.timestamp()),
            "unit": display.unit("precipitation"),
            "decimals": display.decimals("precipitation"),
            "bars": [
                [int(bar.start.timestamp()), int(bar.end.timestamp()), round(display.convert("precipitation", bar.amount), 4)]
                + ([round(bar.coverage, 3)] if bar.coverage < 0.95 else [])
                for bar in data.bars
                if bar.amount is not None
            ],
        },
    }

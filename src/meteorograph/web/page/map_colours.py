"""The colours of the map: a quantity or the freshness in classes, each with a name in the style sheet and a text. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from ...i18n import Phrase, phrase_in
from ...reading.map_places import FRESHNESS, RAIN
from .display import Display


class LegendEntry(NamedTuple):
    """A colour and what it means."""

    #: Name of the colour in ``static/map.css``.
    colour: str
    text: str


@dataclass(frozen=True, slots=True)
class Scale:
    """How a quantity is coloured."""

    title: Phrase
    #: Its name in the table of quantities.
    quantity: str
    #: Where a class ends and the next one begins [canonical unit].
    edges: tuple[float, ...]
    #: The first class; the next ones have the next numbers.
    first: str = "q0"

    def colour(self, value: float) -> str:
        """The class of a canonical value."""
        return f"{self.first[0]}{int(self.first[1:]) + bisect_right(self.edges, value)}"

    def legend(self, display: Display) -> list[LegendEntry]:
        """The classes in the units of the reader."""
        texts = [display.value(self.quantity, edge, self._decimals(display)) for edge in self.edges]
        entries = [LegendEntry(self.colour(self.edges[0] - 1), display.language.say("below {value}", value=texts[0]))]
        spans = zip(self.edges, texts, texts[1:], strict=False)
        entries += [
            LegendEntry(self.colour(edge), display.language.say("{low} to {high}", low=low, high=high))
            for edge, low, high in spans
        ]
        return [*entries, LegendEntry(self.colour(self.edges[-1]), display.language.say("{value} or more", value=texts[-1]))]

    def _decimals(self, display: Display) -> int:
        """As few decimals as tell the edges well enough."""
        values = [display.convert(self.quantity, edge) for edge in self.edges]
        most = _WELL_ENOUGH * min(b - a for a, b in pairwise(values))
        return next(many for many in range(6) if many == 5 or all(abs(value - round(value, many)) <= most for value in values))


#: An edge is rounded by at most this part of the narrowest class.
_WELL_ENOUGH: Final = 0.02

_WIND: Final = (2.0, 5.0, 8.0, 12.0, 17.0, 25.0)
_SHARE: Final = (20.0, 40.0, 60.0, 80.0, 90.0)

#: What the map can be coloured by, besides the freshness.
SCALES: Final = {
    "temperature": Scale(Phrase("Temperature"), "temperature", (-20, -10, 0, 10, 20, 30, 40), "t0"),
    RAIN: Scale(Phrase("Rain 24 h"), "precipitation", (0.1, 1, 5, 10, 25, 50)),
    "wind_speed": Scale(Phrase("Wind"), "wind_speed", _WIND),
    "wind_gust": Scale(Phrase("Gusts"), "wind_gust", _WIND),
    "humidity": Scale(Phrase("Humidity"), "humidity", _SHARE),
    "pressure": Scale(Phrase("Pressure"), "pressure", (980, 990, 1000, 1010, 1020, 1030)),
    "cloud_cover": Scale(Phrase("Clouds"), "cloud_cover", _SHARE),
}

#: What the address can name, and how it is called in the list of the page.
CHOICES: Final = {**{name: scale.title for name, scale in SCALES.items()}, FRESHNESS: Phrase("Freshness")}

#: State of a place → what it is called, as in the list.
STATES: Final = {
    "fresh": Phrase("up to date"),
    "stale": phrase_in("place", "stale"),
    "new": Phrase("no values yet"),
    "paused": phrase_in("place", "paused"),
    "unscheduled": phrase_in("place", "unscheduled"),
}

#: The colours of places without a current value.
SUSPECT: Final = LegendEntry("suspect", Phrase("suspect value"))
NO_VALUE: Final = LegendEntry("none", Phrase("no value"))

#: The colour of a number of places without a common value.
COUNT: Final = LegendEntry("count", "")


def legend(name: str, display: Display) -> list[LegendEntry]:
    """The legend of a choice."""
    say = display.language.say
    states = [LegendEntry(state, say(text)) for state, text in STATES.items()]
    if name == FRESHNESS:
        return states
    return [
        *SCALES[name].legend(display),
        LegendEntry(SUSPECT.colour, say(SUSPECT.text)),
        *states[1:],
        LegendEntry(NO_VALUE.colour, say(NO_VALUE.text)),
    ]


def unit(name: str, display: Display) -> str:
    """The unit of a choice; empty for the freshness."""
    return "" if name == FRESHNESS else display.unit(SCALES[name].quantity)

"""The panels of a meteogram: which ones the address chooses, and where they lie."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from ...i18n import Phrase
from .. import params

#: Panel → its height if all are shown.
_HEIGHTS: Final = {"temperature": 116.0, "precipitation": 48.0, "pressure": 46.0, "wind": 42.0}

#: The panels to choose from, from above.
PANELS: Final = tuple(_HEIGHTS)

_TITLES: Final = {
    "temperature": Phrase("Temperature"),
    "precipitation": Phrase("Precipitation"),
    "pressure": Phrase("Pressure"),
    "wind": Phrase("Wind"),
}

#: The space above each panel for its title.
_TITLE: Final = 30.0
#: Where the panels begin and end; the barbs of the wind are below the last one.
_EDGES: Final = (73.0, 464.0)
_ABOVE_BARBS: Final = 19.0


class PanelChoice(NamedTuple):
    """A panel that can be shown or left out."""

    title: Phrase
    is_shown: bool
    #: The parameter ``quantities`` that shows it or leaves it out; None if all are shown then, or none would be.
    others: str | None
    #: Whether it is the only one that is shown.
    is_only: bool


def read_panels() -> tuple[str, ...]:
    """The parameter ``quantities``: the panels to show; all without it."""
    chosen = params.names("quantities", PANELS)
    return tuple(name for name in PANELS if name in chosen)


def panels_text(panels: Collection[str]) -> str | None:
    """The parameter ``quantities`` for these panels; None for all."""
    return None if len(panels) == len(PANELS) else ",".join(name for name in PANELS if name in panels)


def panel_choices(panels: Collection[str]) -> list[PanelChoice]:
    """What a reader can choose when these panels are shown."""
    choices = []
    for name in PANELS:
        others = {*panels} - {name} if name in panels else {*panels, name}
        choices.append(PanelChoice(_TITLES[name], name in panels, panels_text(others) if others else None, not others))
    return choices


def panel_places(panels: Collection[str]) -> dict[str, tuple[float, float]]:
    """Upper and lower coordinate of each of these panels: together they fill the picture."""
    shown = [name for name in PANELS if name in panels]
    at, bottom = _EDGES
    bottom -= _ABOVE_BARBS if "wind" in shown else 0
    factor = (bottom - at - _TITLE * len(shown)) / sum(_HEIGHTS[name] for name in shown)
    places = {}
    for name in shown:
        top = at + _TITLE
        at = round(top + _HEIGHTS[name] * factor, 1)
        places[name] = (top, at)
    return places

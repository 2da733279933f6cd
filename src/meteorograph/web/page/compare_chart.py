"""The chart of a comparison: up to eight lines of one quantity as an SVG, drawn by the server. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from markupsafe import Markup, escape

from .compare_data import Line
from .display import Display
from .meteogram_scale import TimeScale, coordinate, line_path, value_scale
from .meteogram_time import Tick, day_ticks, hour_ticks, midnights

WIDTH: Final = 960
HEIGHT: Final = 380

#: Lines that can be told apart; each has a colour and a pattern of its own (``static/weather.css``).
MAX_LINES: Final = 8

_LEFT: Final = 44
_RIGHT: Final = 14
_TOP: Final = 52.0
_BOTTOM: Final = 350.0

#: Smallest span of the scale [canonical unit of the quantity].
_LEAST: Final = {"temperature": 5.0, "dew_point": 5.0, "humidity": 20.0, "pressure": 6.0, "cloud_cover": 20.0}


def chart(lines: Sequence[Line], quantity: str, display: Display, start: datetime, end: datetime, title: str) -> Markup:
    """The SVG element. ``title`` is what the picture is called to a screen reader."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="meteogram compare" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(title)}">'
    )
    parts = "".join(_parts(lines, quantity, display, TimeScale(start, end, _LEFT, WIDTH - _RIGHT)))
    return Markup(f"{head}{parts}</svg>")  # noqa: S704  # numbers, classes, and texts that are escaped


def _parts(lines: Sequence[Line], quantity: str, display: Display, time: TimeScale) -> Iterator[str]:
    least = display.convert(quantity, _LEAST.get(quantity, 5.0)) - display.convert(quantity, 0.0)
    values = [display.convert(quantity, value) for line in lines for value in line.values]
    scale = value_scale(values, _TOP, _BOTTOM, least=least, zero=quantity.startswith("wind"))
    yield from _axes(display, time)
    grid = "".join(f"M{time.left:g} {coordinate(scale.y(tick))}H{time.right:g}" for tick in scale.ticks)
    yield f'<path class="m-grid" d="{grid}"/>'
    for tick in scale.ticks:
        text = display.language.numeral(f"{tick:g}".replace("-", "−"))  # noqa: RUF001  # a minus sign
        yield f'<text x="{time.left - 6:g}" y="{coordinate(scale.y(tick) + 4)}" text-anchor="end">{text}</text>'
    for number, line in enumerate(lines, 1):
        points = [(time.x(at), None if value is None else scale.y(display.convert(quantity, value))) for at, value in line.points]
        yield f'<path class="m-line s{number}" d="{line_path(points)}"><title>{escape(line.name)}</title></path>'


def _axes(display: Display, time: TimeScale) -> Iterator[str]:
    width = time.right - time.left
    days = "".join(f"M{coordinate(time.x(at))} {_TOP - 30:g}V{_BOTTOM:g}" for at in midnights(time.start, time.end, display.zone))
    if days.count("M") <= 40:
        yield f'<path class="m-day" d="{days}"/>'
    yield from _labels(day_ticks(time.start, time.end, display.zone, width, display.language), time, 16, "start", 4)
    yield from _labels(hour_ticks(time.start, time.end, display.zone, width), time, 34, "middle", 0)
    yield f'<text x="{time.right:g}" y="{HEIGHT - 8}" text-anchor="end">{escape(display.label(time.end))}</text>'


def _labels(ticks: Sequence[Tick], time: TimeScale, y: float, anchor: str, shift: float) -> Iterator[str]:
    for tick in ticks:
        yield f'<text x="{coordinate(time.x(tick.at) + shift)}" y="{y:g}" text-anchor="{anchor}">{escape(tick.text)}</text>'

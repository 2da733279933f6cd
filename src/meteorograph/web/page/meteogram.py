"""The meteogram: the weather of a place over time as one SVG, drawn by the server. Pure.

Colours are classes, which ``static/weather.css`` defines for light and dark.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from markupsafe import Markup, escape

from ...i18n import Language
from .display import Display
from .meteogram_data import MeteogramData
from .meteogram_marks import barbs, cloud_strip, icons, legend, marks, truth_strip
from .meteogram_panels import PANELS, panel_places
from .meteogram_scale import TimeScale, ValueScale, area_path, coordinate, line_path, split_at, value_scale
from .meteogram_time import Tick, day_ticks, hour_ticks, midnights, nights

HEIGHT: Final = 528
WIDE: Final = 960
NARROW: Final = 358

#: Space for the labels of values, left and right.
_LEFT: Final = 40
_RIGHT: Final = 14

#: Upper and lower coordinate of each part.
_PLOT: Final = (38.0, 490.0)
_ICONS: Final = 53.0
_CLOUDS: Final = (69.0, 76.0)
_BARBS: Final = 464.0
_STRIP: Final = (481.0, 490.0)
_HOURS_BELOW: Final = 504.0
_FOOT: Final = 523.0


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn, and how instants and values become coordinates."""

    data: MeteogramData
    display: Display
    time: TimeScale
    latitude: float
    longitude: float
    now: datetime
    width: int
    #: Upper and lower coordinate of each panel that is shown.
    panels: Mapping[str, tuple[float, float]]


def meteogram(
    data: MeteogramData,
    display: Display,
    *,
    place: tuple[float, float],
    now: datetime,
    title: str,
    width: int = WIDE,
    panels: Collection[str] = PANELS,
) -> Markup:
    """The SVG element of a meteogram.

    Args:
        data: What is drawn.
        display: Units and zone.
        place: Latitude and longitude [degree].
        now: The present (aware UTC).
        title: What the picture is called to a screen reader.
        width: Width in its own units; the text has the same size at any width.
        panels: Some of ``PANELS``, at least one.
    """
    time = TimeScale(data.start, data.end, _LEFT, width - _RIGHT)
    drawing = Drawing(data, display, time, *place, now, width, panel_places(panels))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="meteogram" viewBox="0 0 {width} {HEIGHT}" role="img"'
        f' aria-label="{escape(title)}" data-left="{_LEFT}" data-right="{width - _RIGHT}">'
    )
    return Markup(head + "".join(_parts(drawing)) + "</svg>")  # noqa: S704  # numbers, classes, and texts that are escaped


def _parts(drawing: Drawing) -> Iterator[str]:
    data, is_south = drawing.data, drawing.latitude < 0
    yield from _ground(drawing)
    yield from _time_axis(drawing)
    yield from icons(data, drawing.time, _ICONS, (drawing.latitude, drawing.longitude))
    yield from cloud_strip(data, drawing.time, *_CLOUDS)
    for name in drawing.panels:
        yield from _DRAWN[name](drawing)
    if "wind" in drawing.panels:
        yield from barbs(data, drawing.time, _BARBS, is_south=is_south)
    yield from truth_strip(data, drawing.time, *_STRIP)
    yield from legend(data, drawing.time.left, _FOOT, drawing.display.language)
    if drawing.time.shows(drawing.now):
        x = coordinate(drawing.time.x(drawing.now))
        yield f'<path class="m-now" d="M{x} {_PLOT[0]:g}V{_PLOT[1]:g}"/>'
    yield f'<path class="m-cursor" d="M0 {_PLOT[0]:g}V{_PLOT[1]:g}"/>'


def _ground(drawing: Drawing) -> Iterator[str]:
    """Nights, and the lines of days."""
    (top, bottom), time, data = _PLOT, drawing.time, drawing.data
    for night in nights(data.start, data.end, drawing.latitude, drawing.longitude):
        left, right = time.x(night.start), time.x(night.end)
        yield _rect("m-night", left, top, right - left, bottom - top)
    days = list(midnights(data.start, data.end, drawing.display.zone))
    if len(days) <= 40:
        lines = "".join(f"M{coordinate(time.x(at))} {top - 30:g}V{bottom:g}" for at in days)
        yield f'<path class="m-day" d="{lines}"/>'


def _time_axis(drawing: Drawing) -> Iterator[str]:
    """Days above; hours above and below."""
    data, time, zone = drawing.data, drawing.time, drawing.display.zone
    width = time.right - time.left
    hours = hour_ticks(data.start, data.end, zone, width)
    days = day_ticks(data.start, data.end, zone, width, drawing.display.language)
    yield from _labels("m-date", days, time, 16, "start", 4)
    yield from _labels("m-hour", hours, time, 33, "middle")
    if hours:
        yield from _labels("m-hour", hours, time, _HOURS_BELOW, "middle")
    else:
        yield from _labels("m-hour", days, time, _HOURS_BELOW, "start", 4)
    label = drawing.display.label(data.end)
    first = drawing.display.label(data.start)
    text = label if label == first else drawing.display.language.say("{first}, then {second}", first=first, second=label)
    yield f'<text class="m-zone" x="{coordinate(time.right)}" y="{_FOOT:g}" text-anchor="end">{escape(text)}</text>'


def _labels(name: str, ticks: list[Tick], time: TimeScale, y: float, anchor: str, shift: float = 0) -> Iterator[str]:
    parts = []
    for tick in ticks:
        x = time.x(tick.at)
        if anchor == "middle" and not time.left + 6 <= x <= time.right - 4:
            continue
        parts.append(f'<text x="{coordinate(x + shift)}" y="{y:g}">{escape(tick.text)}</text>')
    yield f'<g class="{name}" text-anchor="{anchor}">{"".join(parts)}</g>'


def _converted(drawing: Drawing, name: str) -> list[float | None]:
    """The values of a quantity in the unit of the reader."""
    values = drawing.data.lines.values[name]
    return [None if value is None else drawing.display.convert(name, value) for value in values]


def _bounds(drawing: Drawing, name: str, values: list[float | None]) -> list[float | None]:
    return [None if value is None else drawing.display.convert(name, value) for value in values]


def _points(drawing: Drawing, values: list[float | None], scale: ValueScale) -> list[tuple[float, float | None]]:
    xs = map(drawing.time.x, drawing.data.lines.times)
    return [(x, None if value is None else scale.y(value)) for x, value in zip(xs, values, strict=True)]


def _panel(drawing: Drawing, scale: ValueScale, title: str, *legend: tuple[str, str]) -> Iterator[str]:
    """Lines and labels of the ticks, the title above, and what the other lines are."""
    left, right = drawing.time.left, drawing.time.right
    grid = "".join(f"M{left:g} {coordinate(scale.y(tick))}H{right:g}" for tick in scale.ticks)
    yield f'<path class="m-grid" d="{grid}"/>'
    decimals = _decimals(scale.ticks)
    labels = "".join(
        f'<text x="{left - 5:g}" y="{coordinate(scale.y(tick) + 4)}">{_number(tick, decimals, drawing.display.language)}</text>'
        for tick in scale.ticks
    )
    yield f'<g class="m-value" text-anchor="end">{labels}</g>'
    spans = "".join(f'<tspan class="{name}" dx="10">{escape(text)}</tspan>' for name, text in legend)
    yield f'<text class="m-title" x="{left:g}" y="{scale.top - 10:g}">{escape(title)}{spans}</text>'


def _decimals(ticks: tuple[float, ...]) -> int:
    return next((decimals for decimals in range(5) if all(abs(tick - round(tick, decimals)) < 1e-9 for tick in ticks)), 5)


def _number(value: float, decimals: int, language: Language) -> str:
    return language.numeral(f"{value + 0.0:.{decimals}f}".replace("-", "−"))  # noqa: RUF001  # a minus sign


def _least(drawing: Drawing, name: str, canonical: float) -> float:
    """A canonical difference in the unit of the reader."""
    return drawing.display.convert(name, canonical) - drawing.display.convert(name, 0.0)


def _temperature(drawing: Drawing) -> Iterator[str]:
    temperature, dew_point = _converted(drawing, "temperature"), _converted(drawing, "dew_point")
    lines = drawing.data.lines
    lowest, highest = (_bounds(drawing, "temperature", column) for column in (lines.lowest, lines.highest))
    least = _least(drawing, "temperature", 5.0)
    scale = value_scale([*temperature, *dew_point, *lowest, *highest], *drawing.panels["temperature"], least=least)
    unit, has_dew_point = drawing.display.unit("temperature"), any(value is not None for value in dew_point)
    say = drawing.display.language.say
    legend = [("m-warm", say("temperature")), *([("m-dew", say("dew point"))] if has_dew_point else [])]
    yield from _panel(drawing, scale, say("Temperature, {unit}", unit=unit), *legend)
    if highest:
        low = [None if value is None else scale.y(value) for value in lowest]
        yield f'<path class="m-band" d="{area_path(_points(drawing, highest, scale), low.__getitem__)}"/>'
    zero = drawing.display.convert("temperature", 0.0)
    if scale.low < zero < scale.high:
        yield f'<path class="m-zero" d="M{drawing.time.left:g} {coordinate(scale.y(zero))}H{drawing.time.right:g}"/>'
    if has_dew_point:
        yield f'<path class="m-line m-dew" d="{line_path(_points(drawing, dew_point, scale))}"/>'
    is_warm = zero <= scale.low
    level = scale.y(zero) if scale.low < zero < scale.high else scale.bottom + 1 if is_warm else scale.top - 1
    for name, part in zip(("m-warm", "m-cold"), split_at(_points(drawing, temperature, scale), level), strict=True):
        if path := line_path(part):
            yield f'<path class="m-line {name}" d="{path}"/>'
    yield from marks(drawing.data, drawing.time, _to_y(drawing, "temperature", scale), ("temperature", "dew_point"))


def _to_y(drawing: Drawing, name: str, scale: ValueScale) -> Callable[[float], float]:
    return lambda value: scale.y(drawing.display.convert(name, value))


def _precipitation(drawing: Drawing) -> Iterator[str]:
    display, time = drawing.display, drawing.time
    bars = [bar for bar in drawing.data.bars if bar.end > drawing.data.start and bar.start < drawing.data.end]
    amounts = [None if bar.amount is None else display.convert("precipitation", bar.amount) for bar in bars]
    scale = value_scale(amounts, *drawing.panels["precipitation"], least=_least(drawing, "precipitation", 1.0), zero=True)
    say, unit = display.language.say, display.unit("precipitation")
    hours = max((bar.end - bar.start for bar in bars), default=timedelta(hours=1)) / timedelta(hours=1)
    period = f"{hours:g} h"
    title = say("Precipitation in {period}, {unit}", period=period, unit=unit)
    if hours >= _DAY_HOURS:
        title = say("Precipitation in a day, {unit}", unit=unit)
    has_part = any(bar.amount and bar.coverage < _WHOLE for bar in bars)
    yield from _panel(drawing, scale, title, *([("m-partial-word", say("partly measured"))] if has_part else []))
    measured: list[str] = []
    whole: list[str] = []
    part: list[str] = []
    for bar, amount in zip(bars, amounts, strict=True):
        left, right = time.x(bar.start), time.x(bar.end)
        if amount is None:
            continue
        measured.append(f"M{coordinate(left)} {scale.bottom:g}H{coordinate(right)}")
        if amount > 0:
            gap = min(1.0, (right - left) * 0.12)
            top = coordinate(scale.y(amount))
            box = f"M{coordinate(left + gap)} {scale.bottom:g}V{top}H{coordinate(right - gap)}V{scale.bottom:g}z"
            (part if bar.coverage < _WHOLE else whole).append(box)
    yield f'<path class="m-measured" d="{"".join(measured)}"/>'
    yield f'<path class="m-rain" d="{"".join(whole)}"/>'
    if part:
        yield f'<path class="m-rain m-partial" d="{"".join(part)}"/>'


#: Less than this part of its period measured makes an amount partial.
_WHOLE: Final = 0.95

#: Bars of at least so many hours are days: some have a clock change.
_DAY_HOURS: Final = 23


def _pressure(drawing: Drawing) -> Iterator[str]:
    values = _converted(drawing, "pressure")
    scale = value_scale(values, *drawing.panels["pressure"], least=_least(drawing, "pressure", 6.0))
    yield from _panel(
        drawing, scale, drawing.display.language.say("Pressure at sea level, {unit}", unit=drawing.display.unit("pressure"))
    )
    yield f'<path class="m-line m-pressure" d="{line_path(_points(drawing, values, scale))}"/>'
    yield from marks(drawing.data, drawing.time, _to_y(drawing, "pressure", scale), ("pressure",))


def _wind(drawing: Drawing) -> Iterator[str]:
    speed, gust = _converted(drawing, "wind_speed"), _converted(drawing, "wind_gust")
    scale = value_scale([*speed, *gust], *drawing.panels["wind"], least=_least(drawing, "wind_speed", 5.0), zero=True)
    say = drawing.display.language.say
    legend = [("m-wind", say("mean")), *([("m-gust", say("gusts"))] if any(value is not None for value in gust) else [])]
    yield from _panel(drawing, scale, say("Wind, {unit}", unit=drawing.display.unit("wind_speed")), *legend)
    points = _points(drawing, speed, scale)
    yield f'<path class="m-wind-area" d="{area_path(points, lambda _: scale.bottom)}"/>'
    yield f'<path class="m-line m-wind" d="{line_path(points)}"/>'
    yield f'<path class="m-line m-gust" d="{line_path(_points(drawing, gust, scale))}"/>'
    yield from marks(drawing.data, drawing.time, _to_y(drawing, "wind_speed", scale), ("wind_speed", "wind_gust"))


def _rect(name: str, x: float, y: float, width: float, height: float) -> str:
    numbers = (f'x="{coordinate(x)}"', f'y="{y:g}"', f'width="{coordinate(width)}"', f'height="{height:g}"')
    return f'<rect class="{name}" {" ".join(numbers)}/>'


_DRAWN: Final[dict[str, Callable[[Drawing], Iterator[str]]]] = {
    "temperature": _temperature,
    "precipitation": _precipitation,
    "pressure": _pressure,
    "wind": _wind,
}

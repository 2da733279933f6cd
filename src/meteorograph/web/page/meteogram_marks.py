"""Parts of a meteogram along its time: icons, clouds, barbs, crosses of suspect values, and what is missing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from markupsafe import escape

from ...i18n import Language, Phrase
from ...model import sun
from .icons import icon
from .meteogram_data import MeteogramData, Span
from .meteogram_scale import TimeScale, coordinate
from .wind_barb import barb

#: Space between two icons, and between two barbs.
_ICON_SPACE: Final = 38.0
_BARB_SPACE: Final = 34.0

#: Shades of the clouds: a step of a tenth of the sky saves bytes where the cover hardly changes.
_SHADES: Final = 10


def icons(data: MeteogramData, time: TimeScale, y: float, place: tuple[float, float]) -> Iterator[str]:
    """The weather of now and then."""
    names = data.lines.icons
    for x, index in _spread(data, time, _ICON_SPACE, lambda index: names[index] is not None):
        at = data.lines.times[index]
        is_night = data.end - data.start < timedelta(days=14) and sun.elevation(*place, at) < sun.HORIZON
        parts = icon(names[index] or "", is_night=is_night)
        yield f'<g transform="translate({coordinate(x - 12)} {y - 12:g})">{parts}</g>'


def barbs(data: MeteogramData, time: TimeScale, y: float, *, is_south: bool) -> Iterator[str]:
    """The wind of now and then."""
    speeds, directions = data.lines.values["wind_speed"], data.lines.values["wind_direction"]

    def has_wind(index: int) -> bool:
        return speeds[index] is not None and directions[index] is not None

    for x, index in _spread(data, time, _BARB_SPACE, has_wind):
        yield barb(x, y, speeds[index] or 0.0, directions[index] or 0.0, is_south=is_south)


def _spread(data: MeteogramData, time: TimeScale, space: float, has: Callable[[int], bool]) -> Iterator[tuple[float, int]]:
    """The points nearest to equal distances, each with its own coordinate."""
    count = max(1, int((time.right - time.left) // space))
    length = (data.end - data.start) / count
    xs = [time.x(at) for at in data.lines.times]
    usable = [index for index in range(len(xs)) if has(index) and time.shows(data.lines.times[index])]
    used: set[int] = set()
    for number in range(count):
        middle = data.start + length * (number + 0.5)
        near = min(usable, key=lambda index: abs(data.lines.times[index] - middle), default=None)
        if near is not None and near not in used and abs(data.lines.times[near] - middle) <= length / 3:
            used.add(near)
            yield xs[near], near


def cloud_strip(data: MeteogramData, time: TimeScale, top: float, bottom: float) -> Iterator[str]:
    """The part of the sky that is covered, as a shade; nothing where it is unknown."""
    covers = data.lines.values["cloud_cover"]
    runs: list[tuple[int, float, float]] = []
    for index, cover in enumerate(covers):
        if cover is None:
            continue
        left, right = (time.x(at) for at in _around(data, index))
        shade = round(cover / 100 * _SHADES)
        if runs and runs[-1][0] == shade and abs(runs[-1][2] - left) < 0.2:
            runs[-1] = (shade, runs[-1][1], right)
        else:
            runs.append((shade, left, right))
    by_shade: dict[int, list[str]] = {}
    for shade, left, right in runs:
        box = f"M{coordinate(left)} {top:g}H{coordinate(max(left + 0.5, right))}V{bottom:g}H{coordinate(left)}z"
        by_shade.setdefault(shade, []).append(box)
    for shade, boxes in by_shade.items():
        yield f'<path class="m-cloud" fill-opacity="{shade / _SHADES:g}" d="{"".join(boxes)}"/>'
    if runs:
        left, right = runs[0][1], runs[-1][2]
        box = f'x="{coordinate(left)}" y="{top:g}" width="{coordinate(right - left)}" height="{bottom - top:g}"'
        yield f'<rect class="m-sky" {box}/>'


def _around(data: MeteogramData, index: int) -> tuple[datetime, datetime]:
    """The time that a point stands for: half a step to each side, at most to the middle between two points."""
    times, half = data.lines.times, data.lines.steps[index] / 2
    at = times[index]
    before = max(at - half, times[index - 1] + (at - times[index - 1]) / 2) if index else at - half
    after = min(at + half, at + (times[index + 1] - at) / 2) if index + 1 < len(times) else at + half
    return before, after


def marks(data: MeteogramData, time: TimeScale, y: Callable[[float], float], names: Sequence[str]) -> Iterator[str]:
    """A cross at each suspect value, at the edge of the panel if it is far off."""
    crosses = []
    for suspect in data.lines.suspects:
        if suspect.quantity in names and time.shows(suspect.at):
            x, height = time.x(suspect.at), y(suspect.value)
            crosses.append(f"M{coordinate(x - 3)} {coordinate(height - 3)}l6 6m0 -6l-6 6")
    if crosses:
        yield f'<path class="m-suspect" d="{"".join(crosses)}"/>'


def truth_strip(data: MeteogramData, time: TimeScale, top: float, bottom: float) -> Iterator[str]:
    """What was missed, backfilled or is suspect."""
    yield from _spans("m-backfilled", data.lines.backfilled, time, top, bottom)
    yield from _spans("m-missed", data.missed, time, top, bottom)
    ticks = "".join(
        f"M{coordinate(time.x(at))} {top:g}V{bottom:g}"
        for at in sorted({one.at for one in data.lines.suspects})
        if time.shows(at)
    )
    if ticks:
        yield f'<path class="m-flagged" d="{ticks}"/>'
    yield f'<path class="m-base" d="M{time.left:g} {bottom:g}H{time.right:g}"/>'


def legend(data: MeteogramData, x: float, y: float, language: Language) -> Iterator[str]:
    """What the colours of the strip and the crosses mean, if there are any."""
    words = (
        ("missed", Phrase("missed"), bool(data.missed)),
        ("backfilled", Phrase("backfilled"), bool(data.lines.backfilled)),
        ("suspect", Phrase("suspect"), bool(data.lines.suspects)),
    )
    for word, phrase, is_there in words:
        if is_there:
            yield (
                f'<path class="m-suspect" d="M{x:g} {y - 7:g}l6 6m0 -6l-6 6"/>'
                if word == "suspect"
                else f'<path class="m-{word}" d="M{x:g} {y - 8:g}h8v8h-8z"/>'
            )
            said = language.say(phrase)
            yield f'<text class="m-key" x="{x + 12:g}" y="{y:g}">{escape(said)}</text>'
            x += 26 + 6.4 * len(said)


def _spans(name: str, spans: Sequence[Span], time: TimeScale, top: float, bottom: float) -> Iterator[str]:
    boxes = []
    for span in spans:
        left, right = time.x(span.start), time.x(span.end)
        if right > left:
            boxes.append(f"M{coordinate(left)} {top:g}H{coordinate(max(right, left + 2))}V{bottom:g}H{coordinate(left)}z")
    if boxes:
        yield f'<path class="{name}" d="{"".join(boxes)}"/>'

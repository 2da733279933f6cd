"""A course as a figure of Plotly: five charts above each other on one axis of time. Pure.

The page's script completes it: it puts in the times of traces that have none of their own, the notes in place of their
numbers, and what the style sheet's variables, by whose names colours go here, are by day or by night.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from ...ledger.gaps import Gap
from .chart_series import Course

#: Quantity, title, unit, decimals, and the part of the height that its chart has.
_CHARTS: Final = (
    ("temperature", "Temperature", "°C", 1, 0.27),
    ("humidity", "Humidity", "%", 0, 0.13),
    ("pressure", "Pressure at sea level", "hPa", 1, 0.15),
    ("wind_speed", "Wind and gusts", "m/s", 1, 0.18),
    ("precipitation", "Precipitation", "mm", 1, 0.13),
)
_BETWEEN: Final = 0.035

#: Arrows of the wind's direction in a figure at most.
_MOST_ARROWS: Final = 32


def figure(course: Course, gaps: Sequence[Gap], start: datetime, end: datetime) -> dict[str, Any]:
    """``data`` and ``layout`` of Plotly, with the ``times`` and the ``notes``; empty where there is nothing to draw."""
    if not course.times:
        return {}
    notes: dict[str, int] = {}
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "xaxis": {
            "type": "date",
            "range": [_utc(max(start, course.times[0] - (end - start) / 100)), _utc(end)],
            "anchor": f"y{len(_CHARTS)}",
        },
        "shapes": _bands(gaps),
        "annotations": [],
        # What was zoomed into stays when the page is renewed.
        "uirevision": f"{(end - start).days}",
    }
    top = 0.965
    for number, (name, title, unit, decimals, height) in enumerate(_CHARTS, 1):
        axis = "y" if number == 1 else f"y{number}"
        layout["yaxis" if number == 1 else f"yaxis{number}"] = {"domain": [max(0.0, top - height), top], **_scale(name, course)}
        layout["annotations"].append({"text": f"{title} [{unit}]", "y": top})
        top -= height + _BETWEEN
        trace = {"yaxis": axis, "hovertemplate": _hover(unit, decimals)}
        data += _traces(name, title, trace, course, notes)
    return {"times": [_utc(at) for at in course.times], "notes": list(notes), "data": data, "layout": layout}


def _utc(at: datetime) -> str:
    """An instant as Plotly takes it: it draws what is written, and knows no time zones."""
    return at.strftime("%Y-%m-%dT%H:%M:%S" if at.second else "%Y-%m-%dT%H:%M")


def _scale(name: str, course: Course) -> dict[str, Any]:
    values = [value for value in course.values[name] if value is not None]
    match name:
        case "humidity":
            return {"range": [0, 103], "dtick": 50}
        case "precipitation":
            return {"range": [0, max([1.0, *(value * 1.1 for value in values)])]}
        case "wind_speed":
            return {"rangemode": "tozero"}
    # A quantity that hardly moves is a line in the middle, not noise blown up to the whole height.
    least = {"temperature": 4.0, "pressure": 6.0}[name]
    if values and max(values) - min(values) < least:
        middle = (max(values) + min(values)) / 2
        return {"range": [middle - least / 2, middle + least / 2]}
    return {}


def _hover(unit: str, decimals: int, *, noted: bool = True) -> str:
    return f"%{{y:.{decimals}f}} {unit}" + ("%{customdata}" if noted else "")


def _traces(name: str, title: str, trace: dict[str, Any], course: Course, notes: dict[str, int]) -> list[dict[str, Any]]:
    color = f"--{name.replace('_', '-')}"
    numbers = [notes.setdefault(f" · {note}" if note else "", len(notes)) for note in course.notes[name]]
    own = {**trace, "name": title.partition(" ")[0], "y": course.values[name], "customdata": numbers}
    if name == "precipitation":
        return [{**own, "type": "bar", "marker": {"color": color}}, *_marks(name, own, course)]
    made = [{**own, "type": "scatter", "mode": "lines", "connectgaps": False, "line": {"color": color, "width": 1.8}}]
    made[0] |= _points(course.values[name], color)
    if name == "temperature" and course.highest:
        made = [*_band(trace, course), *made]
    if name == "wind_speed":
        made += _gusts(trace, course)
    return made + _marks(name, own, course)


def _points(values: list[float | None], color: str) -> dict[str, Any]:
    """Dots where a line would show nothing: at values without a neighbour, or where there are few of them."""
    given = [value is not None for value in values]
    alone = [
        here and not (place and given[place - 1]) and not given[place + 1 : place + 2] == [True]
        for place, here in enumerate(given)
    ]
    if not any(alone):
        return {}
    return {"mode": "lines+markers", "marker": {"color": color, "size": [5 if one else 0 for one in alone]}}


def _band(trace: dict[str, Any], course: Course) -> list[dict[str, Any]]:
    """From the lowest to the highest temperature of each bucket."""
    edge = {
        **trace,
        "hovertemplate": _hover("°C", 1, noted=False),
        "type": "scatter",
        "mode": "lines",
        "connectgaps": False,
        "line": {"width": 0},
    }
    shade = {"fill": "tonexty", "fillcolor": "--temperature-band"}
    return [{**edge, "name": "Lowest", "y": course.lowest}, {**edge, "name": "Highest", "y": course.highest, **shade}]


def _gusts(trace: dict[str, Any], course: Course) -> list[dict[str, Any]]:
    line = {"color": "--wind-gust", "width": 1.2, "dash": "dot"}
    trace = {**trace, "hovertemplate": _hover("m/s", 1, noted=False)}
    gusts = {**trace, "name": "Gust", "y": course.values["wind_gust"], "type": "scatter", "mode": "lines", "line": line}
    directed = [place for place, value in enumerate(course.values["wind_direction"]) if value is not None]
    some = directed[:: -(-len(directed) // _MOST_ARROWS) or 1]
    if not some:
        return [gusts]
    angles = [(course.values["wind_direction"][place] or 0.0) for place in some]
    arrows = {
        **trace,
        "x": [_utc(course.times[place]) for place in some],
        "y": [0.0 for _ in some],
        "name": "Direction",
        "type": "scatter",
        "mode": "markers",
        "cliponaxis": False,
        # A wind of 0 degrees comes from the north and blows to the south.
        "marker": {"symbol": "arrow", "angle": [(angle + 180) % 360 for angle in angles], "size": 9, "color": "--soft"},
        "hoverinfo": "skip",
        "hovertemplate": None,
    }
    return [gusts, arrows]


def _marks(name: str, own: dict[str, Any], course: Course) -> list[dict[str, Any]]:
    """Marks on values that are not to be trusted, and on those that were filled in afterwards."""
    kinds = (
        ("flagged", course.flagged[name], {"symbol": "x-thin", "size": 8, "line": {"width": 2, "color": "--bad"}}),
        (
            "backfilled",
            [place for place in course.backfilled if course.values[name][place] is not None],
            {"symbol": "circle-open", "size": 6, "line": {"width": 1.4}, "color": "--note-ink"},
        ),
    )
    return [
        {
            "x": [_utc(course.times[place]) for place in places],
            "y": [own["y"][place] for place in places],
            "yaxis": own["yaxis"],
            "name": kind,
            "type": "scatter",
            "mode": "markers",
            "marker": marker,
            "hoverinfo": "skip",
        }
        for kind, places, marker in kinds
        if places
    ]


def _bands(gaps: Sequence[Gap]) -> list[dict[str, Any]]:
    """Where slots were missed, over all charts."""
    band = {"type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    return [
        {
            **band,
            "x0": _utc(gap.first_slot),
            "x1": _utc(gap.last_slot),
            "fillcolor": "--gap",
            "line": {"color": "--gap", "width": 3},
        }
        for gap in gaps
    ]

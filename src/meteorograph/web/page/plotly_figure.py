"""The Plotly figure of a location: five charts on one time axis. Pure.

The script of the page completes the figure: it adds the shared times to the traces, replaces the numbers of notes by their
texts, and replaces names of CSS variables by the colours of the light or dark theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from ...i18n import ENGLISH, Language, Phrase
from ...ledger.gaps import Gap
from .chart_series import ChartSeries

#: Quantity, title, unit, decimals, and fraction of the height.
_CHARTS: Final = (
    ("temperature", Phrase("Temperature"), "°C", 1, 0.27),
    ("humidity", Phrase("Humidity"), "%", 0, 0.13),
    ("pressure", Phrase("Pressure at sea level"), "hPa", 1, 0.15),
    ("wind_speed", Phrase("Wind and gusts"), "m/s", 1, 0.18),
    ("precipitation", Phrase("Precipitation"), "mm", 1, 0.13),
)
_BETWEEN: Final = 0.035

#: What the traces are called where the pointer is.
_NAMES: Final = {
    "temperature": Phrase("Temperature"),
    "humidity": Phrase("Humidity"),
    "pressure": Phrase("Pressure"),
    "wind_speed": Phrase("Wind"),
    "precipitation": Phrase("Precipitation"),
}

#: Wind arrows in a figure at most.
_MAX_ARROWS: Final = 32


def figure(
    series: ChartSeries, gaps: Sequence[Gap], start: datetime, end: datetime, language: Language = ENGLISH
) -> dict[str, Any]:
    """``data`` and ``layout`` of Plotly, ``times`` and ``notes``; empty without values."""
    if not series.times:
        return {}
    notes: dict[str, int] = {}
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "xaxis": {
            "type": "date",
            "range": [_utc(max(start, series.times[0] - (end - start) / 100)), _utc(end)],
            "anchor": f"y{len(_CHARTS)}",
        },
        "shapes": _bands(gaps),
        "annotations": [],
        # Keeps the zoom when the page updates.
        "uirevision": f"{(end - start).days}",
    }
    top = 0.965
    for number, (name, title, unit, decimals, height) in enumerate(_CHARTS, 1):
        axis = "y" if number == 1 else f"y{number}"
        layout["yaxis" if number == 1 else f"yaxis{number}"] = {"domain": [max(0.0, top - height), top], **_scale(name, series)}
        layout["annotations"].append({"text": f"{language.say(title)} [{unit}]", "y": top})
        top -= height + _BETWEEN
        trace = {"yaxis": axis, "hovertemplate": _hover(unit, decimals)}
        data += _traces(name, language, trace, series, notes)
    return {"times": [_utc(at) for at in series.times], "notes": list(notes), "data": data, "layout": layout}


def _utc(at: datetime) -> str:
    """An instant as text for Plotly, which knows no time zones."""
    return at.strftime("%Y-%m-%dT%H:%M:%S" if at.second else "%Y-%m-%dT%H:%M")


def _scale(name: str, series: ChartSeries) -> dict[str, Any]:
    values = [value for value in series.values[name] if value is not None]
    match name:
        case "humidity":
            return {"range": [0, 103], "dtick": 50}
        case "precipitation":
            return {"range": [0, max([1.0, *(value * 1.1 for value in values)])]}
        case "wind_speed":
            return {"rangemode": "tozero"}
    # Least span of the axis: noise of a steady quantity must not fill the whole height.
    least = {"temperature": 4.0, "pressure": 6.0}[name]
    if values and max(values) - min(values) < least:
        middle = (max(values) + min(values)) / 2
        return {"range": [middle - least / 2, middle + least / 2]}
    return {}


def _hover(unit: str, decimals: int, *, noted: bool = True) -> str:
    return f"%{{y:.{decimals}f}} {unit}" + ("%{customdata}" if noted else "")


def _traces(
    name: str, language: Language, trace: dict[str, Any], series: ChartSeries, notes: dict[str, int]
) -> list[dict[str, Any]]:
    color = f"--{name.replace('_', '-')}"
    numbers = [notes.setdefault(f" · {note}" if note else "", len(notes)) for note in series.notes[name]]
    base = {**trace, "name": language.say(_NAMES[name]), "y": series.values[name], "customdata": numbers}
    if name == "precipitation":
        return [{**base, "type": "bar", "marker": {"color": color}}, *_marks(name, base, series)]
    traces = [{**base, "type": "scatter", "mode": "lines", "connectgaps": False, "line": {"color": color, "width": 1.8}}]
    traces[0] |= _points(series.values[name], color)
    if name == "temperature" and series.highest:
        traces = [*_band(trace, series, language), *traces]
    if name == "wind_speed":
        traces += _gusts(trace, series, language)
    return traces + _marks(name, base, series)


def _points(values: list[float | None], color: str) -> dict[str, Any]:
    """Dots at values without a neighbour, where a line shows nothing."""
    has_value = [value is not None for value in values]
    alone = [
        here and not (index and has_value[index - 1]) and not has_value[index + 1 : index + 2] == [True]
        for index, here in enumerate(has_value)
    ]
    if not any(alone):
        return {}
    return {"mode": "lines+markers", "marker": {"color": color, "size": [5 if is_alone else 0 for is_alone in alone]}}


def _band(trace: dict[str, Any], series: ChartSeries, language: Language) -> list[dict[str, Any]]:
    """The band between the lowest and the highest temperature of each bucket."""
    edge = {
        **trace,
        "hovertemplate": _hover("°C", 1, noted=False),
        "type": "scatter",
        "mode": "lines",
        "connectgaps": False,
        "line": {"width": 0},
    }
    shade = {"fill": "tonexty", "fillcolor": "--temperature-band"}
    return [
        {**edge, "name": language.say("Lowest"), "y": series.lowest},
        {**edge, "name": language.say("Highest"), "y": series.highest, **shade},
    ]


def _gusts(trace: dict[str, Any], series: ChartSeries, language: Language) -> list[dict[str, Any]]:
    line = {"color": "--wind-gust", "width": 1.2, "dash": "dot"}
    trace = {**trace, "hovertemplate": _hover("m/s", 1, noted=False)}
    gusts = {
        **trace,
        "name": language.say("Gust"),
        "y": series.values["wind_gust"],
        "type": "scatter",
        "mode": "lines",
        "line": line,
    }
    directed = [index for index, value in enumerate(series.values["wind_direction"]) if value is not None]
    arrow_indexes = directed[:: -(-len(directed) // _MAX_ARROWS) or 1]
    if not arrow_indexes:
        return [gusts]
    angles = [(series.values["wind_direction"][index] or 0.0) for index in arrow_indexes]
    arrows = {
        **trace,
        "x": [_utc(series.times[index]) for index in arrow_indexes],
        "y": [0.0 for _ in arrow_indexes],
        "name": language.say("Direction"),
        "type": "scatter",
        "mode": "markers",
        "cliponaxis": False,
        # A wind of 0 degrees comes from the north and blows to the south.
        "marker": {"symbol": "arrow", "angle": [(angle + 180) % 360 for angle in angles], "size": 9, "color": "--soft"},
        "hoverinfo": "skip",
        "hovertemplate": None,
    }
    return [gusts, arrows]


def _marks(name: str, base: dict[str, Any], series: ChartSeries) -> list[dict[str, Any]]:
    """Marks on suspect and on backfilled values, and on sums over less than their whole time."""
    kinds = (
        ("flagged", series.flagged[name], {"symbol": "x-thin", "size": 8, "line": {"width": 2, "color": "--bad"}}),
        (
            "backfilled",
            [index for index in series.backfilled if series.values[name][index] is not None],
            {"symbol": "circle-open", "size": 6, "line": {"width": 1.4}, "color": "--note-ink"},
        ),
        ("partial", series.partial.get(name, []), {"symbol": "triangle-up-open", "size": 7, "color": "--note-ink"}),
    )
    return [
        {
            "x": [_utc(series.times[index]) for index in indexes],
            "y": [base["y"][index] for index in indexes],
            "yaxis": base["yaxis"],
            "name": kind,
            "type": "scatter",
            "mode": "markers",
            "marker": marker,
            "hoverinfo": "skip",
        }
        for kind, indexes, marker in kinds
        if indexes
    ]


def _bands(gaps: Sequence[Gap]) -> list[dict[str, Any]]:
    """Shaded periods of missed slots, over all charts."""
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

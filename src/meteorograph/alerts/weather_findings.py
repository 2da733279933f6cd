"""Findings about the newest weather: wind, gusts, frost, heat, and a fall of pressure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from ..model.states import AlertKind
from ..model.valid_time import valid_time
from ..quality.row_checks import MAX_CLOCK_LEAD
from ..reading.columns import suspect_quantities
from ..storage.models import WeatherData
from ..storage.upsert import table_of
from .findings import UNKNOWN, Finding, Findings, compare
from .kinds import KINDS
from .places import PlaceReader
from .rules import Rule

#: Kind → the quantity that is compared.
_QUANTITIES: Final = {
    AlertKind.WIND: "wind_speed",
    AlertKind.GUST: "wind_gust",
    AlertKind.FROST: "temperature",
    AlertKind.HEAT: "temperature",
}

#: An older observation says nothing about now.
MAX_AGE: Final = timedelta(hours=3)

#: The pressure now is compared with that of so long ago, give or take.
_FALL_SPAN: Final = timedelta(hours=3)
_FALL_TOLERANCE: Final = timedelta(minutes=40)


def find_newest_weather(reader: PlaceReader, rule: Rule) -> Findings:
    """Places by the newest value of a quantity. A missing, old or suspect value says nothing."""
    quantity, options = _QUANTITIES[rule.kind], rule.options
    limit, clear_limit, spec = options.limit_of(rule.kind) or 0.0, options.clear_limit_of(rule.kind), KINDS[rule.kind]
    findings: Findings = {}
    for place in reader.places_of(rule):
        row = reader.newest_rows.get(place.id)
        value = None if row is None or reader.now - row.at > MAX_AGE else row.value(quantity)
        if row is None or value is None:
            findings[place.name] = UNKNOWN
        else:
            status = compare(value, limit, clear_limit, is_below=spec.is_below)
            detail = f"{value:.1f} {spec.unit} at {row.at:%Y-%m-%d %H:%M} UTC"
            findings[place.name] = Finding(status, row.at, "", detail)
    return findings


def find_pressure_falls(reader: PlaceReader, rule: Rule) -> Findings:
    """Places by the fall of the pressure within three hours, up to the newest observation."""
    limit, clear_limit = rule.options.limit_of(rule.kind) or 0.0, rule.options.clear_limit_of(rule.kind)
    series = _read_pressures(reader)
    findings: Findings = {}
    for place in reader.places_of(rule):
        points = series.get(place.id, [])
        at, pressure = points[-1] if points else (None, 0.0)
        before = [] if at is None else [one for one in points if abs(at - _FALL_SPAN - one[0]) <= _FALL_TOLERANCE]
        if at is None or not before or reader.now - at > MAX_AGE:
            findings[place.name] = UNKNOWN
            continue
        earlier, start = min(before, key=lambda one: abs(at - _FALL_SPAN - one[0]))
        fall = start - pressure
        detail = f"from {start:.1f} to {pressure:.1f} hPa between {earlier:%H:%M} and {at:%H:%M} UTC"
        findings[place.name] = Finding(compare(fall, limit, clear_limit, is_below=False), earlier, "", detail)
    return findings


def _read_pressures(reader: PlaceReader) -> dict[int, list[tuple[datetime, float]]]:
    """Location id → valid times and pressures [hPa] of the last hours, oldest first, without suspect ones."""
    due_at, pressure = WeatherData.due_at, table_of(WeatherData).c.pressure
    since = reader.now - MAX_AGE - _FALL_SPAN - _FALL_TOLERANCE
    within = (due_at > since, due_at <= reader.now + MAX_CLOCK_LEAD, pressure.is_not(None))
    series: dict[int, list[tuple[float, float]]] = {}
    fields = ("location_id", "due_at", "observed_at", "flags", "pressure")
    for id_, due, observed, flags, value in reader.read_rows(fields, *within):
        if not flags or "pressure" not in suspect_quantities(flags):
            series.setdefault(id_, []).append((valid_time(due, observed), value))
    return {id_: [(datetime.fromtimestamp(at, UTC), value) for at, value in sorted(points)] for id_, points in series.items()}

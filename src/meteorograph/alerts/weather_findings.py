"""Findings about the newest weather: wind, gusts, frost, heat, and a fall of pressure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..model.flags import is_suspect
from ..model.states import AlertKind
from ..quality.row_checks import MAX_CLOCK_LEAD
from ..storage.models import WeatherData
from ..storage.upsert import table_of
from .findings import UNKNOWN, Finding, Findings, compare
from .kinds import KINDS
from .places import newest_values, read_places
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


def find_newest_weather(session: Session, rule: Rule, now: datetime) -> Findings:
    """Places by the newest value of a quantity. A missing, old or suspect value says nothing."""
    quantity, options = _QUANTITIES[rule.kind], rule.options
    limit, clear_limit, spec = options.limit_of(rule.kind) or 0.0, options.clear_limit_of(rule.kind), KINDS[rule.kind]
    rows = newest_values(session, (quantity,), now)
    findings: Findings = {}
    for place in read_places(session, rule, now):
        at, _, flags, values = rows.get(place.id, (None, "", {}, {}))
        value = values.get(quantity)
        if at is None or value is None or now - at > MAX_AGE or is_suspect(flags.get(quantity, ())):
            findings[place.name] = UNKNOWN
        else:
            status = compare(value, limit, clear_limit, is_below=spec.is_below)
            detail = f"{value:.1f} {spec.unit} at {at:%Y-%m-%d %H:%M} UTC"
            findings[place.name] = Finding(status, at, "", detail)
    return findings


def find_pressure_falls(session: Session, rule: Rule, now: datetime) -> Findings:
    """Places by the fall of the pressure within three hours, up to the newest observation."""
    limit, clear_limit = rule.options.limit_of(rule.kind) or 0.0, rule.options.clear_limit_of(rule.kind)
    series = _read_pressures(session, now)
    findings: Findings = {}
    for place in read_places(session, rule, now):
        points = series.get(place.id, [])
        at, pressure = points[-1] if points else (None, 0.0)
        before = [] if at is None else [one for one in points if abs(at - _FALL_SPAN - one[0]) <= _FALL_TOLERANCE]
        if at is None or not before or now - at > MAX_AGE:
            findings[place.name] = UNKNOWN
            continue
        earlier, start = min(before, key=lambda one: abs(at - _FALL_SPAN - one[0]))
        fall = start - pressure
        detail = f"from {start:.1f} to {pressure:.1f} hPa between {earlier:%H:%M} and {at:%H:%M} UTC"
        findings[place.name] = Finding(compare(fall, limit, clear_limit, is_below=False), earlier, "", detail)
    return findings


def _read_pressures(session: Session, now: datetime) -> dict[int, list[tuple[datetime, float]]]:
    """Location id → valid times and pressures [hPa] of the last hours, oldest first, without suspect ones."""
    pressure = table_of(WeatherData).c.pressure
    since = now - MAX_AGE - _FALL_SPAN - _FALL_TOLERANCE
    within = (WeatherData.due_at > since, WeatherData.due_at <= now + MAX_CLOCK_LEAD, pressure.is_not(None))
    query = select(WeatherData.location_id, WeatherData.due_at, WeatherData.observed_at, WeatherData.flags, pressure).where(
        *within
    )
    series: dict[int, list[tuple[datetime, float]]] = {}
    for id_, due_at, observed_at, flags, value in session.execute(query):
        if not is_suspect((flags or {}).get("pressure", ())):
            series.setdefault(id_, []).append((observed_at or due_at, value))
    return {id_: sorted(points) for id_, points in series.items()}

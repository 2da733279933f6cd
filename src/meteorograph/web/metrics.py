"""``/metrics``: the state of the service and the newest values, for Prometheus.

All of it is read from the database as it is asked for, so that every process tells the same, however many there are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..config.loading import get_settings
from ..errors import MeteorographError
from ..ledger import coverage, queries
from ..locations import views
from ..log_output import get_logger
from ..model import clock
from ..model.flags import is_suspect
from ..model.quantities import QUANTITIES
from ..reading.rows import WeatherRow, read_latest_rows
from ..storage.engine import get_db_session
from ..version import __version__
from .health import report
from .quota import accounts_told

log = get_logger(__name__)
blueprint = Blueprint("metrics", __name__)

#: Units as the names of metrics have them (https://prometheus.io/docs/practices/naming/).
_UNITS: Final = {"°C": "celsius", "%": "percent", "hPa": "hectopascals", "m/s": "meters_per_second", "m": "meters"} | {
    "mm": "millimeters",
    "degree": "degrees",
}
_DAY: Final = timedelta(days=1)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Everything, in the format that is asked for: that of Prometheus, or OpenMetrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_State())
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(registry), content_type=content_type)


class _State(Collector):
    """What the ledger and the rows say."""

    def describe(self) -> list[Metric]:
        """Nothing in advance: the registry need not ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics; those of the process alone while the database does not answer."""
        health, status = report()
        yield InfoMetricFamily("meteorograph_build", "Which program this is.", {"version": __version__})
        yield _one("healthy", "1 if the service does its work, 0 if /health says what is wrong.", status == 200)
        yield _one("scheduler_running", "1 if a scheduler gives signs of life.", health["scheduler_running"])
        yield _one("database_up", "1 if the database answers.", health["database"] == "ok")
        found: list[Metric] = []
        try:
            with get_db_session(read_only=True) as session:
                found += [*_locations(session, health), *_runs(health), *_slots(session, clock.now()), *_quota(session)]
                found += _values(session, health)
        except (MeteorographError, SQLAlchemyError) as error:
            log.error("the database does not answer", reason=str(error))  # noqa: TRY400  # the reason says all
        yield from found


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"meteorograph_{name}", text, float(value))


def _many(name: str, text: str, labels: tuple[str, ...]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"meteorograph_{name}", text, labels=labels)


def _locations(session: Session, health: dict[str, Any]) -> Iterator[Metric]:
    states = _many("locations", "Locations by state.", ("state",))
    for state, many in views.count_by_state(session).items():
        states.add_metric([state], many)
    yield states
    yield _one("locations_stale", "Scheduled locations that have no recent slot.", len(health["stale"]))
    ages = _many("location_age_seconds", "Age of each scheduled location's newest slot.", ("location",))
    for name, age in health["freshness"].items():
        if age is not None:
            ages.add_metric([name], age)
    yield ages


def _runs(health: dict[str, Any]) -> Iterator[Metric]:
    last = health["last_run"]
    if last is None:
        return
    at = datetime.fromisoformat(last["due_at"]).timestamp()
    yield _one("last_run_due_timestamp_seconds", "When the newest run was due.", at)
    slots = _many("last_run_locations", "Locations of the newest run by what became of them.", ("outcome",))
    for outcome in ("due", "stored", "failed"):
        slots.add_metric([outcome], last[outcome])
    yield slots


def _slots(session: Session, now: datetime) -> Iterator[Metric]:
    days, _ = coverage.slot_coverage(session, now - _DAY, now + timedelta(microseconds=1), by="day")
    slots = _many("slots_last_day", "Slots of the last 24 hours by what became of them.", ("outcome",))
    for outcome in ("due", "stored", "missed", "pending"):
        slots.add_metric([outcome], sum(getattr(day, outcome) for day in days))
    yield slots
    missed = _many("missed_last_day", "Slots of the last 24 hours that were missed, by reason.", ("reason",))
    for reason in queries.MISSED_REASONS:
        missed.add_metric([reason], sum(day.missed_by_reason.get(reason, 0) for day in days))
    yield missed


def _quota(session: Session) -> Iterator[Metric]:
    labels = ("provider", "window")
    used = _many("quota_used_calls", "Calls made in the current period of a window.", labels)
    limit = _many("quota_limit_calls", "Calls that a window allows.", labels)
    resets = _many("quota_resets_timestamp_seconds", "When the current period of a window ends.", labels)
    open_ = _many("provider_open", "1 if a provider may be called, 0 while it is closed.", ("provider",))
    keys = _many("provider_key", "1 for the state that a provider's key is in.", ("provider", "state"))
    for account in accounts_told(session, get_settings()):
        name = account["provider"]
        open_.add_metric([name], float(account["closed_until"] is None))
        keys.add_metric([name, account["key_state"]], 1)
        for window in account["windows"]:
            place = [name, window["window"]]
            used.add_metric(place, window["used"])
            limit.add_metric(place, window["limit"])
            resets.add_metric(place, datetime.fromisoformat(window["resets_at"]).timestamp())
    yield from (used, limit, resets, open_, keys)


def _values(session: Session, health: dict[str, Any]) -> Iterator[Metric]:
    """The newest values of scheduled locations that are not stale, but for those that are not to be trusted."""
    current = health["freshness"].keys() - set(health["stale"])
    rows = [row for row in read_latest_rows(session) if row.location in current]
    for quantity in QUANTITIES:
        name = f"{quantity.name}_{_UNITS.get(quantity.unit) or re.sub('[^a-z]+', '_', quantity.unit.lower())}"
        values = _many(name, f"Newest {quantity.name.replace('_', ' ')} [{quantity.unit}].", ("location",))
        for row in rows:
            value = getattr(row, quantity.name)
            if value is not None and not is_suspect(row.flags_of(quantity.name)):
                values.add_metric([row.location], value)
        yield values
    yield _givers(rows)


def _givers(rows: list[WeatherRow]) -> Metric:
    text = "Newest values of a quantity that a provider gave: a fallback shows as another provider's."
    givers = _many("newest_values", text, ("quantity", "provider"))
    given = Counter(
        (quantity.name, row.provider_of(quantity.name))
        for row in rows
        for quantity in QUANTITIES
        if getattr(row, quantity.name) is not None
    )
    for place, many in sorted(given.items()):
        givers.add_metric(place, many)
    return givers

"""``/metrics``: the state of the service and the newest values, for Prometheus.

Every scrape reads the database, so all processes of a service report the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
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
from ..storage.counters import Count, read_totals
from ..storage.engine import get_db_session
from ..version import __version__
from .alert_metrics import alert_metrics
from .health_report import HealthReport, read_report
from .integration_state import integration_metrics
from .job_metrics import job_metrics, task_metrics
from .queue_metrics import queue_metrics
from .quota import account_views

log = get_logger(__name__)
blueprint = Blueprint("metrics", __name__)

#: Unit → base unit in the name of a metric, and its factor (https://prometheus.io/docs/practices/naming/#base-units).
_UNITS: Final = {
    "°C": ("celsius", 1.0),
    "%": ("ratio", 0.01),
    "hPa": ("pascals", 100.0),
    "m/s": ("meters_per_second", 1.0),
    "m": ("meters", 1.0),
    "mm": ("meters", 0.001),
    "degree": ("degrees", 1.0),
}
#: Counter → text, and the name of its label beside the provider.
_COUNTERS: Final = {
    Count.CALLS: ("Calls that were charged.", None),
    Count.ERRORS: ("Calls that failed, by kind of error.", "kind"),
    Count.RETRIES: ("Calls that were made again after a failure.", None),
    Count.ROWS: ("Rows that were written, by origin.", "origin"),
    Count.FALLBACKS: ("Quantities that came from another provider than the first one.", "quantity"),
}
#: Most scheduled locations that have series of their own unless a setting says so.
MAX_LOCATIONS: Final = 1000

_DAY: Final = timedelta(days=1)


@blueprint.get("/metrics")
def metrics() -> Response:
    """All metrics, in the format of Prometheus or OpenMetrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_State())
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(registry), content_type=content_type)


class _State(Collector):
    """Reads the metrics from the ledger and the rows."""

    def describe(self) -> list[Metric]:
        """Describes nothing, so that the registry does not query the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics; only those of the process if the database does not answer."""
        health = read_report()
        yield InfoMetricFamily("meteorograph_build", "Version of the program.", {"version": __version__})
        yield _gauge("healthy", "1 if the service is healthy, 0 if /health lists problems.", health.is_healthy)
        yield _gauge("scheduler_running", "1 if a scheduler has a recent heartbeat.", health.is_scheduler_running)
        yield _gauge("database_up", "1 if the database answers.", health.is_database_up)
        metrics: list[Metric] = []
        try:
            with get_db_session(read_only=True) as session:
                metrics += [*_locations(session, health), *_runs(health), *_slots(session, clock.now()), *_quota(session)]
                metrics += _counters(session)
                metrics += [*(_values(session, health) if _shows_locations(health) else ()), *job_metrics(session)]
                metrics += task_metrics(session)
                metrics += integration_metrics(session)
                metrics += queue_metrics(session)
                metrics += alert_metrics(session)
        except (MeteorographError, SQLAlchemyError) as error:
            log.error("the database does not answer", reason=str(error))  # noqa: TRY400  # the reason is enough
        yield from metrics


def _shows_locations(health: HealthReport) -> bool:
    """Whether there are series of single locations, as ``METEOROGRAPH_METRICS_LOCATIONS`` says."""
    setting = get_settings().metrics_locations
    return len(health.freshness) <= MAX_LOCATIONS if setting == "auto" else setting == "true"


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"meteorograph_{name}", text, float(value))


def _labelled_gauge(name: str, text: str, labels: tuple[str, ...]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"meteorograph_{name}", text, labels=labels)


def _locations(session: Session, health: HealthReport) -> Iterator[Metric]:
    states = _labelled_gauge("locations", "Locations by state.", ("state",))
    for state, count in views.count_by_state(session).items():
        states.add_metric([state], count)
    yield states
    yield _gauge("locations_shown", "1 if there are series of single locations.", _shows_locations(health))
    yield _gauge("locations_stale", "Scheduled locations that have no recent slot.", len(health.stale))
    if not _shows_locations(health):
        return
    ages = _labelled_gauge("location_age_seconds", "Age of each scheduled location's newest observation.", ("location",))
    for name, age in health.freshness.items():
        if age is not None:
            ages.add_metric([name], age)
    yield ages


def _runs(health: HealthReport) -> Iterator[Metric]:
    run = health.last_run
    if run is None:
        return
    yield _gauge("last_run_due_timestamp_seconds", "When the newest run was due.", run.due_at.timestamp())
    yield _gauge("last_run_due_locations", "Locations that were due in the newest run.", run.due)
    slots = _labelled_gauge("last_run_locations", "Locations of the newest run by outcome.", ("outcome",))
    for outcome, count in (("stored", run.stored), ("failed", run.failed)):
        slots.add_metric([outcome], count)
    yield slots


def _slots(session: Session, now: datetime) -> Iterator[Metric]:
    days, _ = coverage.slot_coverage(session, now - _DAY, now + timedelta(microseconds=1), by="day")
    yield _gauge("slots_due_last_day", "Slots of the last 24 hours.", sum(day.due for day in days))
    slots = _labelled_gauge("slots_last_day", "Slots of the last 24 hours by outcome.", ("outcome",))
    for outcome in ("stored", "missed", "pending"):
        slots.add_metric([outcome], sum(getattr(day, outcome) for day in days))
    yield slots
    missed = _labelled_gauge("missed_last_day", "Missed slots of the last 24 hours by reason.", ("reason",))
    for reason in queries.MISSED_REASONS:
        missed.add_metric([reason], sum(day.missed_by_reason.get(reason, 0) for day in days))
    yield missed


def _quota(session: Session) -> Iterator[Metric]:
    labels = ("provider", "window")
    used = _labelled_gauge("quota_used_calls", "Calls made in the current period of a window.", labels)
    limit = _labelled_gauge("quota_limit_calls", "Calls that a window allows.", labels)
    resets = _labelled_gauge("quota_resets_timestamp_seconds", "When the current period of a window ends.", labels)
    open_ = _labelled_gauge("provider_open", "1 if a provider may be called, 0 while it is closed.", ("provider",))
    keys = _labelled_gauge("provider_key", "1 for the current state of a provider's key.", ("provider", "state"))
    for account in account_views(session, get_settings()):
        open_.add_metric([account.provider], float(account.status.closed_until is None))
        keys.add_metric([account.provider, account.status.key_state], 1)
        for usage in account.usages:
            place = [account.provider, usage.window]
            used.add_metric(place, usage.used)
            limit.add_metric(place, usage.limit)
            resets.add_metric(place, usage.resets_at.timestamp())
    yield from (used, limit, resets, open_, keys)


def _counters(session: Session) -> Iterator[Metric]:
    """Counters over all processes; one without kinds begins at 0 for each provider with an account."""
    totals = {(row.name, row.provider, row.kind): row.value for row in read_totals(session)}
    providers = {account.provider for account in account_views(session, get_settings())}
    for count, (text, label) in _COUNTERS.items():
        labels = ("provider",) if label is None else ("provider", label)
        family = CounterMetricFamily(f"meteorograph_{count.value}", text, labels=labels)
        if label is None:
            totals = {**{(count.value, provider, ""): 0 for provider in providers}, **totals}
        for (name, provider, kind), value in sorted(totals.items()):
            if name == count:
                family.add_metric([provider] if label is None else [provider, kind], value)
        yield family


def _values(session: Session, health: HealthReport) -> Iterator[Metric]:
    """The newest values of scheduled locations that are not stale, without suspect values."""
    current = health.freshness.keys() - set(health.stale)
    rows = [row for row in read_latest_rows(session) if row.location in current]
    for quantity in QUANTITIES:
        unit, factor = _UNITS.get(quantity.unit) or (re.sub("[^a-z]+", "_", quantity.unit.lower()).strip("_"), 1.0)
        name = f"{quantity.name}_{unit}" if unit else quantity.name
        values = _labelled_gauge(name, f"Newest {quantity.name.replace('_', ' ')}.", ("location",))
        for row in rows:
            value = getattr(row, quantity.name)
            if value is not None and not is_suspect(row.flags_of(quantity.name)):
                values.add_metric([row.location], round(value * factor, 9))
        yield values
    yield _values_by_provider(rows)


def _values_by_provider(rows: list[WeatherRow]) -> Metric:
    text = "Newest values of a quantity by provider; shows when a fallback provider is used."
    gauge = _labelled_gauge("newest_values", text, ("quantity", "provider"))
    counts = Counter(
        (quantity.name, row.provider_of(quantity.name))
        for row in rows
        for quantity in QUANTITIES
        if getattr(row, quantity.name) is not None
    )
    for labels, count in sorted(counts.items()):
        gauge.add_metric(labels, count)
    return gauge

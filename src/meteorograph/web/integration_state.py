"""How the sending to integrations goes: as problems, as an object and as metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..i18n import Phrase, phrase_n
from ..integrations.sender import configured_names
from ..storage.outbox import IntegrationState, read_states

#: Without a sign of life for this long, no process sends.
_SILENT: Final = timedelta(minutes=3)
#: How long a refusal is news.
_RECENT: Final = timedelta(days=1)


def integration_problems(settings: Settings, states: Sequence[IntegrationState], now: datetime) -> Iterator[Phrase]:
    """What is wrong with integrations: their receivers, or the threads that send."""
    configured = configured_names(settings) if settings.scheduler_enabled else []
    for state in states:
        record = state.record
        if record.failing_since is not None:
            since, name = record.failing_since.replace(microsecond=0), record.name
            yield Phrase(
                "{name} has got nothing since {time}, {waiting}: {reason}",
                name=name,
                time=since,
                waiting=state.waiting_text,
                reason=record.failure,
            )
        elif record.name in configured and now - record.seen_at > _SILENT:
            yield Phrase(
                "no process has sent to {name} since {time}", name=record.name, time=record.seen_at.replace(microsecond=0)
            )
        if record.refused_at is not None and now - record.refused_at < _RECENT:
            yield phrase_n(
                "{name} has refused {count:,} row, the last one with {reason}",
                "{name} has refused {count:,} rows, the last one with {reason}",
                record.refused,
                name=record.name,
                reason=record.refusal,
            )


def integration_object(state: IntegrationState) -> dict[str, Any]:
    """The state of an integration as a JSON object."""
    record = state.record
    return {
        "waiting": state.waiting,
        "sent": record.sent,
        "refused": record.refused,
        "failures": record.failures,
        "failing_since": record.failing_since and record.failing_since.isoformat(),
        "reason": record.failure,
    }


def integration_metrics(session: Session) -> Iterator[Metric]:
    """The rows of each integration by outcome, its failed attempts, what waits, and whether its receiver takes rows."""
    label = ("integration",)
    rows = CounterMetricFamily("meteorograph_integration_rows", "Rows of an integration by outcome.", labels=(*label, "outcome"))
    failures = CounterMetricFamily("meteorograph_integration_failures", "Attempts to send that failed.", labels=label)
    waiting = GaugeMetricFamily("meteorograph_integration_waiting_rows", "Rows that are still to be sent.", labels=label)
    up = GaugeMetricFamily("meteorograph_integration_up", "1 if the last attempt to send succeeded.", labels=label)
    for state in read_states(session):
        record = state.record
        rows.add_metric([record.name, "sent"], record.sent)
        rows.add_metric([record.name, "refused"], record.refused)
        failures.add_metric([record.name], record.failures)
        waiting.add_metric([record.name], state.waiting)
        up.add_metric([record.name], float(record.failing_since is None))
    yield from (rows, failures, waiting, up)

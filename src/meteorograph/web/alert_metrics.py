"""Metrics of alerts: attempts to deliver, messages that wait, and open incidents."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy.orm import Session

from ..alerts.channels import channel_names
from ..alerts.queries import channel_views, rule_views
from ..config.loading import get_settings
from ..storage.counters import Count, read_totals


def alert_metrics(session: Session) -> Iterator[Metric]:
    """What became of the attempts to deliver messages, by channel, and the open incidents of each rule."""
    attempts = CounterMetricFamily(
        "meteorograph_alert_deliveries", "Attempts to deliver a message of an alert, by outcome.", labels=("channel", "outcome")
    )
    for row in read_totals(session):
        if row.name == Count.DELIVERIES:
            attempts.add_metric([row.provider, row.kind], row.value)
    waiting = GaugeMetricFamily("meteorograph_alert_messages_waiting", "Messages that wait for a channel.", labels=("channel",))
    for channel in channel_views(session, channel_names(get_settings())):
        waiting.add_metric([channel.channel], channel.waiting)
    incidents = GaugeMetricFamily("meteorograph_alert_incidents_open", "Open incidents of a rule.", labels=("rule", "kind"))
    for view in rule_views(session):
        incidents.add_metric([view.rule.name, view.rule.kind], view.open_incidents)
    yield from (attempts, waiting, incidents)

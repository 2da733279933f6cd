"""Rules and incidents as JSON objects, as the API and the command line give them. They have no address of a channel."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from ..storage.models import Delivery
from .kinds import condition_text
from .queries import ChannelView, IncidentView, RuleView


def rule_object(view: RuleView) -> dict[str, Any]:
    """A rule."""
    rule = view.rule
    return {
        "name": rule.name,
        "kind": rule.kind.value,
        "condition": str(condition_text(rule.kind, rule.options.limit_of(rule.kind), rule.options.hours)),
        "options": msgspec.to_builtins(rule.options),
        "created_at": rule.created_at.isoformat(),
        "silenced_until": _text(rule.silenced_until),
        "evaluated_at": _text(rule.evaluated_at),
        "failure": rule.failure,
        "open_incidents": view.open_incidents,
        "firing": view.firing,
        "waiting": view.waiting,
    }


def incident_object(view: IncidentView) -> dict[str, Any]:
    """An incident with its deliveries."""
    incident = view.incident
    return {
        "id": incident.id,
        "rule": incident.rule,
        "kind": incident.kind,
        "state": incident.state,
        "began_at": incident.began_at.isoformat(),
        "opened_at": incident.opened_at.isoformat(),
        "resolved_at": _text(incident.resolved_at),
        "cause": incident.cause,
        "detail": incident.detail,
        "subjects": incident.subjects,
        "subject_count": incident.subject_count,
        "firing": view.firing,
        "deliveries": [_delivery_object(delivery) for delivery in view.deliveries],
    }


def _delivery_object(delivery: Delivery) -> dict[str, Any]:
    return {
        "message": delivery.key.removesuffix(f"/{delivery.channel}"),
        "channel": delivery.channel,
        "state": delivery.state,
        "created_at": delivery.created_at.isoformat(),
        "due_at": delivery.due_at.isoformat(),
        "ended_at": _text(delivery.ended_at),
        "attempts": delivery.attempts,
        "error": delivery.error,
    }


def channel_object(view: ChannelView) -> dict[str, Any]:
    """A channel without its address."""
    return {
        "channel": view.channel,
        "waiting": view.waiting,
        "last_sent_at": _text(view.last_sent_at),
        "error": view.error,
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()

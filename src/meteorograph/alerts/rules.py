"""Add, list, silence and remove rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from ..errors import FieldError, InvalidRuleError, LocationNotFoundError, RuleExistsError, RuleNotFoundError
from ..model.names import is_plain, normalise_name
from ..model.states import AlertKind, IncidentState
from ..model.time_range import parse_duration, parse_instant
from ..storage.models import AlertRule, Incident, Location
from ..storage.upsert import insert_or_ignore
from .kinds import OPERATIONS
from .options import RuleOptions, parse_options

_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it is stored."""

    id: int
    name: str
    kind: AlertKind
    options: RuleOptions
    created_at: datetime
    silenced_until: datetime | None
    evaluated_at: datetime | None
    failure: str | None
    version: int

    def is_silent(self, now: datetime) -> bool:
        """Whether it causes no message now."""
        return self.silenced_until is not None and self.silenced_until > now


def make_rule(row: AlertRule) -> Rule:
    """The rule of a row."""
    return Rule(
        row.id,
        row.name,
        AlertKind(row.kind),
        msgspec.convert(row.options, RuleOptions),
        row.created_at,
        row.silenced_until,
        row.evaluated_at,
        row.failure,
        row.version,
    )


def list_rules(session: Session) -> list[Rule]:
    """All rules, by name."""
    return [make_rule(row) for row in session.scalars(select(AlertRule).order_by(AlertRule.name))]


def get_rule(session: Session, name: str) -> Rule:
    """The rule with a name.

    Raises:
        RuleNotFoundError: No rule has this name.
    """
    row = session.scalars(select(AlertRule).where(AlertRule.name == name)).first() if "\0" not in name else None
    if row is None:
        raise RuleNotFoundError(name)
    return make_rule(row)


def add_rule(session: Session, name: str, kind: str, fields: dict[str, Any], channels: Sequence[str], now: datetime) -> Rule:
    """Add a rule.

    Args:
        session: Session to write with.
        name: Its name.
        kind: An ``AlertKind``.
        fields: The fields of ``RuleOptions`` by name; None is the default.
        channels: Names of the channels and webhooks of the settings.
        now: The current time (aware UTC).

    Raises:
        InvalidRuleError: The name, the kind or an option is invalid.
        LocationNotFoundError: A location does not exist.
        RuleExistsError: The name is taken.
    """
    if not 1 <= len(name) <= _MAX_NAME or not is_plain(name) or not name.strip():
        raise InvalidRuleError([FieldError("name", name, "must be 1 to 100 printable characters, not only spaces")])
    if kind not in list(AlertKind):
        raise InvalidRuleError([FieldError("kind", kind, f"must be one of {', '.join(AlertKind)}")])
    options = parse_options(AlertKind(kind), fields, channels)
    options = msgspec.structs.replace(options, locations=list(map(normalise_name, options.locations)))
    if options.locations:
        known = set(session.scalars(select(Location.name).where(Location.name.in_(options.locations))))
        for location in options.locations:
            if location not in known:
                raise LocationNotFoundError(location)
    values = {"name": name, "kind": kind, "options": msgspec.to_builtins(options), "created_at": now, "version": 0}
    if insert_or_ignore(session, AlertRule, [values]) <= 0:
        raise RuleExistsError(name)
    return get_rule(session, name)


def add_operations(session: Session, channels: Sequence[str], now: datetime) -> list[Rule]:
    """Add a rule with its defaults for each kind that watches the service itself, unless there is one."""
    existing = {rule.name for rule in list_rules(session)} | {rule.kind for rule in list_rules(session)}
    return [add_rule(session, kind, kind, {}, channels, now) for kind in OPERATIONS if kind not in existing]


def silence_rule(session: Session, name: str, until: datetime | None) -> Rule:
    """Let a rule cause no messages until an instant; None ends its silence.

    Raises:
        RuleNotFoundError: No rule has this name.
    """
    get_rule(session, name)
    session.execute(update(AlertRule).where(AlertRule.name == name).values(silenced_until=until))
    return get_rule(session, name)


def remove_rule(session: Session, name: str, now: datetime) -> None:
    """Remove a rule. Its incidents stay in the history; those that are open end without a message.

    Raises:
        RuleNotFoundError: No rule has this name.
    """
    rule = get_rule(session, name)
    mine = update(Incident).where(Incident.rule_id == rule.id, Incident.state == IncidentState.OPEN)
    session.execute(mine.values(state=IncidentState.RESOLVED, resolved_at=now))
    session.execute(delete(AlertRule).where(AlertRule.id == rule.id))


def parse_silence(text: str, now: datetime) -> datetime:
    """The end of a silence (aware UTC), from a duration such as ``2h`` or an ISO 8601 time.

    Raises:
        ValueError: The text is neither, or does not lie in the future; the message says what is allowed.
    """
    try:
        until = now + parse_duration(text)
    except ValueError:
        until = parse_instant(text, now)
    except OverflowError:
        until = now
    if until <= now:
        raise ValueError("must be a duration such as 2h, or an ISO 8601 time in the future")
    return until

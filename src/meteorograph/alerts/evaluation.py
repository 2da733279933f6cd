"""Evaluate a rule: compare what is stored with what was found, and store the changes and their messages in one transaction.

Any number of processes may evaluate at once: the version of the rule elects one of them for each change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..i18n import get_language
from ..log_output import get_logger
from ..model.states import AlertKind, IncidentState
from ..storage.engine import get_db_session
from ..storage.models import AlertRule, AlertSubject, Incident
from ..storage.upsert import insert_or_replace
from . import deliveries, messages
from .channels import channel_names
from .findings import Findings
from .messages import IncidentFacts, Message
from .rules import Rule
from .transitions import Changes, Subject, find_changes

log = get_logger(__name__)

#: Subjects that an incident names.
_MAX_NAMED: Final = 100


def read_subjects(session: Session, rule_id: int) -> dict[str, Subject]:
    """The stored subjects of a rule, by name."""
    rows = session.scalars(select(AlertSubject).where(AlertSubject.rule_id == rule_id))
    return {
        row.name: Subject(row.seen_since, row.true_since, row.clear_since, row.incident_id, row.cause, row.detail) for row in rows
    }


def apply_findings(settings: Settings, rule: Rule, subjects: Mapping[str, Subject], findings: Findings, now: datetime) -> bool:
    """Store what has changed for a rule since it was read, with its messages; False if another process was faster."""
    hold, clear = rule.options.hold_of(rule.kind), rule.options.clear_of(rule.kind)
    changes = find_changes(subjects, findings, now, hold=hold, clear=clear)
    if not changes and not (_channels_of(settings, rule) and _has_due_message(rule, now)):
        return True
    with get_db_session() as session:
        mine = update(AlertRule).where(AlertRule.id == rule.id, AlertRule.version == rule.version)
        if not _update(session, mine.values(version=rule.version + 1)):
            return False
        store = _Store(session, settings, rule, now)
        if changes:
            store.store_changes(changes)
        store.put_due_messages()
    return True


def _channels_of(settings: Settings, rule: Rule) -> list[str]:
    """Where the messages of a rule go. One that the settings no longer have keeps its messages, which ``/health`` shows."""
    return rule.options.channels or channel_names(settings)


def _has_due_message(rule: Rule, now: datetime) -> bool:
    if rule.is_silent(now):
        return False
    with get_db_session(read_only=True) as session:
        return any(is_message_due(rule, incident, now) for incident in _open_incidents(session, rule))


def _open_incidents(session: Session, rule: Rule) -> Sequence[Incident]:
    mine = (Incident.rule_id == rule.id, Incident.state == IncidentState.OPEN)
    return session.scalars(select(Incident).where(*mine).order_by(Incident.id)).all()


def is_message_due(rule: Rule, incident: Incident, now: datetime) -> bool:
    """Whether an open incident needs a message: its first one, or a repetition."""
    repeat = rule.options.repeat_every
    if not incident.messages or incident.last_message_at is None:
        return True
    return repeat is not None and now - incident.last_message_at >= repeat


def record_evaluations(failures: Mapping[int, str | None], now: datetime) -> None:
    """Record when rules were evaluated, and why some could not be. Rule id → reason, None if it could be."""
    with get_db_session() as session:
        fine = [id_ for id_, reason in failures.items() if reason is None]
        _update(session, update(AlertRule).where(AlertRule.id.in_(fine)).values(evaluated_at=now, failure=None))
        for id_, reason in failures.items():
            if reason is not None:
                _update(session, update(AlertRule).where(AlertRule.id == id_).values(evaluated_at=now, failure=reason[:500]))


class _Store:
    """The changes of one evaluation, in its transaction."""

    def __init__(self, session: Session, settings: Settings, rule: Rule, now: datetime) -> None:
        self._session, self._settings, self._rule, self._now = session, settings, rule, now
        self._language = get_language(settings.language)

    def store_changes(self, changes: Changes) -> None:
        incidents = self._open_incidents(changes.opened)
        rows = {**changes.started, **changes.updated, **changes.opened}
        self._session.flush()
        insert_or_replace(
            self._session,
            AlertSubject,
            [
                {
                    "rule_id": self._rule.id,
                    "name": name,
                    "seen_since": subject.seen_since,
                    "true_since": subject.true_since,
                    "clear_since": subject.clear_since,
                    "cause": subject.cause[:300],
                    "detail": subject.detail[:300],
                    "incident_id": incidents.get(name, subject.incident_id),
                }
                for name, subject in rows.items()
            ],
        )
        self._end(changes.ended)
        # A subject that ends leaves the others of its incident alone.
        over: dict[int, set[str]] = {}
        for name, subject in changes.ended.items():
            if subject.incident_id is not None:
                over.setdefault(subject.incident_id, set()).add(name)
        for incident_id, names in sorted(over.items()):
            self._resolve_if_over(incident_id, is_dropped=names <= changes.dropped)

    def _open_incidents(self, opened: Mapping[str, Subject]) -> dict[str, int]:
        """Open an incident for each cause; subjects with the cause of an open incident join it."""
        by_cause: dict[str, list[str]] = {}
        for name, subject in sorted(opened.items()):
            by_cause.setdefault(subject.cause, []).append(name)
        joined: dict[str, int] = {}
        for cause, names in by_cause.items():
            incident = self._open_incident_of(cause) if cause else None
            if incident is None:
                incident = self._new_incident(cause, names, opened)
            else:
                incident.subjects = [*incident.subjects, *names][:_MAX_NAMED]
                incident.subject_count += len(names)
            joined |= dict.fromkeys(names, incident.id)
        return joined

    def _open_incident_of(self, cause: str) -> Incident | None:
        mine = (Incident.rule_id == self._rule.id, Incident.state == IncidentState.OPEN, Incident.cause == cause[:300])
        return self._session.scalars(select(Incident).where(*mine).order_by(Incident.id).limit(1)).first()

    def _new_incident(self, cause: str, names: list[str], opened: Mapping[str, Subject]) -> Incident:
        incident = Incident(
            rule_id=self._rule.id,
            rule=self._rule.name,
            kind=self._rule.kind,
            state=IncidentState.OPEN,
            began_at=min(opened[name].true_since for name in names),
            opened_at=self._now,
            cause=cause[:300],
            detail=_detail(names, opened),
            subjects=names[:_MAX_NAMED],
            subject_count=len(names),
            messages=0,
        )
        self._session.add(incident)
        self._session.flush()
        log.warning("incident opened", incident=incident.id, rule=self._rule.name, subjects=len(names), cause=cause)
        return incident

    def _end(self, ended: Mapping[str, Subject]) -> None:
        names = sorted(ended)
        for first in range(0, len(names), 1000):
            gone = (AlertSubject.rule_id == self._rule.id, AlertSubject.name.in_(names[first : first + 1000]))
            self._session.execute(delete(AlertSubject).where(*gone))

    def _resolve_if_over(self, incident_id: int, *, is_dropped: bool) -> None:
        left = select(AlertSubject.name).where(AlertSubject.incident_id == incident_id).limit(1)
        incident = self._session.get(Incident, incident_id)
        if incident is None or incident.state != IncidentState.OPEN or self._session.scalar(left) is not None:
            return
        incident.state, incident.resolved_at = IncidentState.RESOLVED, self._now
        log.info("incident resolved", incident=incident_id, rule=self._rule.name, subjects=incident.subject_count)
        if incident.messages and self._rule.options.recovery:
            self._put(messages.resolved(self._facts(incident), self._now, self._language, is_dropped=is_dropped), incident)
        self._session.flush()

    def put_due_messages(self) -> None:
        """Put the first messages of open incidents, and repetitions; none while the rule is silent."""
        if self._rule.is_silent(self._now) or not _channels_of(self._settings, self._rule):
            return
        for incident in _open_incidents(self._session, self._rule):
            if is_message_due(self._rule, incident, self._now):
                tell = messages.repeated if incident.messages else messages.opened
                self._put(tell(self._facts(incident), self._now, self._language), incident)

    def _put(self, message: Message, incident: Incident) -> None:
        incident.messages = incident.messages + 1
        incident.last_message_at = self._now
        deliveries.put(
            self._session,
            message,
            _channels_of(self._settings, self._rule),
            self._now,
            webhooks=self._settings.webhooks,
            due_at=self._rule.options.quiet_until(self._now),
            rule_id=self._rule.id,
            incident_id=incident.id,
        )

    def _facts(self, incident: Incident) -> IncidentFacts:
        return IncidentFacts(
            incident.id,
            incident.rule,
            AlertKind(incident.kind),
            self._rule.options,
            incident.began_at,
            incident.opened_at,
            incident.cause,
            incident.detail,
            incident.subjects,
            incident.subject_count,
            incident.messages,
        )


def _detail(names: list[str], opened: Mapping[str, Subject]) -> str:
    """The values of the first subjects; only once if they are the same for all."""
    if len({opened[name].detail for name in names}) == 1:
        return opened[names[0]].detail[:300]
    texts = [f"{name} {opened[name].detail}" for name in names[:5] if opened[name].detail]
    more = f" and {len(names) - 5} more" if len(names) > 5 and texts else ""
    return messages.shorten("; ".join(texts) + more, 300)


def _update(session: Session, statement: Any) -> bool:
    result = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount > 0

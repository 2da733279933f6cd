"""How the subjects of a rule change with what was found. Pure: takes the stored state and the findings, gives the changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .findings import Finding, Findings, Status


@dataclass(frozen=True, slots=True)
class Subject:
    """The stored state of a subject."""

    #: Since when it is observed without a break, and since when the condition holds according to the data.
    seen_since: datetime
    true_since: datetime
    #: Since when the condition holds no longer; None while it holds.
    clear_since: datetime | None = None
    #: Its incident; None until the condition has held for long enough.
    incident_id: int | None = None
    cause: str = ""
    detail: str = ""


@dataclass(slots=True)
class Changes:
    """What changes for the subjects of a rule."""

    #: Subjects whose condition holds now and did not before, or has held for long enough, with their new state.
    started: dict[str, Subject] = field(default_factory=dict)
    #: Of these, and of those that had started before, the ones for which an incident opens.
    opened: dict[str, Subject] = field(default_factory=dict)
    #: Subjects of an open incident whose condition ends, or holds again, with their new state.
    updated: dict[str, Subject] = field(default_factory=dict)
    #: Subjects that are over: of an incident, or before one opened.
    ended: dict[str, Subject] = field(default_factory=dict)
    #: Of these, the ones that are no longer watched, so that nothing is known of their condition.
    dropped: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.started or self.opened or self.updated or self.ended)


def find_changes(
    subjects: Mapping[str, Subject], findings: Findings, now: datetime, *, hold: timedelta, clear: timedelta
) -> Changes:
    """The changes of a rule's subjects.

    Args:
        subjects: The stored subjects by name.
        findings: What was found; a stored subject without a finding is no longer watched, and ends.
        now: The current time (aware UTC).
        hold: How long the condition must hold until an incident opens.
        clear: How long it must be over until a subject ends.
    """
    changes = Changes()
    for name, finding in findings.items():
        if name not in subjects and finding.status == Status.FIRING:
            _start(changes, name, finding, now, hold)
    for name, subject in subjects.items():
        _follow(changes, name, subject, findings.get(name), now, hold, clear)
    return changes


def _start(changes: Changes, name: str, finding: Finding, now: datetime, hold: timedelta) -> None:
    new = Subject(now, min(finding.since or now, now), cause=finding.cause, detail=finding.detail)
    changes.started[name] = new
    if hold <= timedelta(0):
        changes.opened[name] = new


def _follow(
    changes: Changes, name: str, subject: Subject, finding: Finding | None, now: datetime, hold: timedelta, clear: timedelta
) -> None:
    if finding is None:
        changes.ended[name] = subject
        changes.dropped.add(name)
    elif finding.status == Status.UNKNOWN:
        return
    elif subject.incident_id is None:
        _follow_waiting(changes, name, subject, finding, now, hold)
    elif finding.status == Status.FINE:
        since = subject.clear_since if subject.clear_since is not None and subject.clear_since <= now else None
        if now - (since or now) >= clear:
            changes.ended[name] = subject
        elif since is None:
            changes.updated[name] = _replace(subject, clear_since=now)
    elif subject.clear_since is not None:
        changes.updated[name] = _replace(subject, clear_since=None)


def _follow_waiting(changes: Changes, name: str, subject: Subject, finding: Finding, now: datetime, hold: timedelta) -> None:
    """Follow a subject without an incident: the time of ``hold`` starts again whenever its condition ends."""
    if finding.status != Status.FIRING:
        changes.ended[name] = subject
    elif subject.seen_since > now:  # from a clock that was wrong
        changes.updated[name] = _replace(subject, seen_since=now)
    elif now - subject.seen_since >= hold:
        true_since = min(finding.since or now, subject.true_since)
        changes.opened[name] = Subject(subject.seen_since, true_since, cause=finding.cause, detail=finding.detail)


def _replace(subject: Subject, *, seen_since: datetime | None = None, clear_since: datetime | None = None) -> Subject:
    return Subject(
        seen_since or subject.seen_since,
        subject.true_since,
        clear_since,
        subject.incident_id,
        subject.cause,
        subject.detail,
    )

"""Findings about what is stored: no data, gaps, and old observations."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..ledger.gaps import MISSED_SINCE
from ..model.flags import Flag
from ..model.states import MissedReason
from ..model.words import counted
from ..quality.row_checks import MAX_CLOCK_LEAD
from ..storage.models import AccountState, Missed
from .findings import FINE, Finding, Findings, Status
from .places import PlaceReader
from .rules import Rule

#: Reasons of missed slots for which a provider is the cause.
_BY_PROVIDER: Final = (MissedReason.PROVIDER_ERROR, MissedReason.PAYLOAD_ERROR, MissedReason.QUOTA)

#: Flags of values that a provider repeats, as they stand in JSON.
_OLD: Final = (f'"{Flag.OLD}"', f'"{Flag.STALE}"')


def find_no_data(reader: PlaceReader, rule: Rule) -> Findings:
    """Places without a row for longer than the limit [h]; the cause is the reason of their newest missed slot."""
    limit = timedelta(hours=rule.options.limit_of(rule.kind) or 0)
    places = reader.places_of(rule)
    findings: Findings = {place.name: FINE for place in places}
    silent = {}
    for place in places:
        since = max(place.due_from, place.newest_slot or place.due_from)
        if reader.now - since > limit:
            silent[place.id] = place.name, since
    reasons = _newest_reasons(reader.session, reader.now) if silent else {}
    for id_, (name, since) in silent.items():
        cause = reasons.get(id_, "no reason is recorded yet")
        findings[name] = Finding(Status.FIRING, since, cause, f"last observation of {since:%Y-%m-%d %H:%M} UTC")
    return findings


def _newest_reasons(session: Session, now: datetime) -> dict[int, str]:
    """Location id → reason of its newest missed slot."""
    recent = (Missed.due_at > now - MISSED_SINCE, Missed.due_at <= now + MAX_CLOCK_LEAD)
    newest = select(Missed.location_id, func.max(Missed.due_at).label("due_at")).where(*recent).group_by(Missed.location_id)
    last = newest.subquery()
    query = select(Missed.location_id, Missed.reason, Missed.detail).join(
        last, (Missed.location_id == last.c.location_id) & (Missed.due_at == last.c.due_at)
    )
    failure = _provider_failure(session)
    return {id_: _reason_text(reason, detail or failure) for id_, reason, detail in session.execute(query)}


def _provider_failure(session: Session) -> str:
    """Why providers fail now, in their words; empty if none does."""
    failing = select(AccountState.reason).where(AccountState.failures > 0, AccountState.reason.is_not(None))
    return "; ".join(reason or "" for reason in session.scalars(failing.order_by(AccountState.provider)))


def _reason_text(reason: str, failure: str) -> str:
    """The reason of a missed slot, and what the provider said where it is the cause."""
    return f"{reason}: {' '.join(failure.split())}"[:300] if failure and reason in _BY_PROVIDER else reason


def find_gaps(reader: PlaceReader, rule: Rule) -> Findings:
    """Places that have missed as many slots within a day, or more, since the rule exists."""
    limit = rule.options.limit_of(rule.kind) or 1
    places = reader.places_of(rule)
    findings: Findings = {place.name: FINE for place in places}
    names = {place.id: place.name for place in places}
    session, now = reader.session, reader.now
    since = max(now - MISSED_SINCE, rule.created_at)
    is_recent = (Missed.due_at > since, Missed.due_at <= now + MAX_CLOCK_LEAD, Missed.closed_at.is_(None))
    query = select(Missed.location_id, Missed.reason, func.count(), func.min(Missed.due_at), func.max(Missed.due_at))
    counts: dict[int, Counter[str]] = {}
    spans: dict[int, tuple[datetime, datetime]] = {}
    for id_, reason, count, first, last in session.execute(query.where(*is_recent).group_by(Missed.location_id, Missed.reason)):
        counts.setdefault(id_, Counter())[reason] += count
        known = spans.get(id_, (first, last))
        spans[id_] = min(known[0], first), max(known[1], last)
    failure = _provider_failure(session) if counts else ""
    for id_, reasons in counts.items():
        if id_ in names and reasons.total() >= limit:
            first, last = spans[id_]
            detail = f"{counted(reasons.total(), 'slot')} from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
            cause = ", ".join(_reason_text(reason, failure) for reason in sorted(reasons))
            findings[names[id_]] = Finding(Status.FIRING, first, cause, detail)
    return findings


def find_old_observations(reader: PlaceReader, rule: Rule) -> Findings:
    """Places whose newest row has values that are too old, or no longer change."""
    places = reader.places_of(rule)
    findings: Findings = {}
    for place in places:
        row = reader.newest_rows.get(place.id)
        findings[place.name] = FINE
        if row is not None and any(word in row.flags for word in _OLD):
            detail = f"observed at {row.at:%Y-%m-%d %H:%M} UTC"
            findings[place.name] = Finding(Status.FIRING, row.at, f"{row.provider} repeats old observations", detail)
    return findings

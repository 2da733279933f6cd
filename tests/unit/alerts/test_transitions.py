"""The state machine of a rule's subjects, against a plain model of it, for any series of findings."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from meteorograph.alerts.findings import Finding, Status
from meteorograph.alerts.transitions import Subject, find_changes
from support import NOON

MINUTE = timedelta(minutes=1)

_STATUSES = st.lists(st.sampled_from([*Status, None]), max_size=40)
_TIMES = st.sampled_from([timedelta(0), 3 * MINUTE, 10 * MINUTE])


@given(_STATUSES, _TIMES, _TIMES)
def test_incidents_open_and_end_in_turn_and_only_for_their_reasons(
    statuses: list[Status | None], hold: timedelta, clear: timedelta
) -> None:
    stored: dict[str, Subject] = {}
    is_open = False
    firing_for = clear_for = timedelta(0)
    for number, status in enumerate(statuses):
        now = NOON + number * MINUTE
        findings = {} if status is None else {"Oslo": Finding(status)}
        changes = find_changes(stored, findings, now, hold=hold, clear=clear)
        if "Oslo" in changes.opened:
            assert not is_open, "opened twice"
            assert status == Status.FIRING
            assert firing_for >= hold
        if "Oslo" in changes.ended and is_open:
            assert status in (Status.FINE, None)
            assert status is None or clear_for >= clear
        if status == Status.UNKNOWN:
            assert not changes, "what is not known has changed something"
        for name, subject in {**changes.started, **changes.updated}.items():
            stored[name] = subject
        for name, subject in changes.opened.items():
            stored[name] = Subject(subject.seen_since, subject.true_since, None, 1, subject.cause, subject.detail)
        for name in changes.ended:
            del stored[name]
        is_open = any(subject.incident_id for subject in stored.values())
        if status == Status.FIRING or (status == Status.UNKNOWN and firing_for):
            firing_for += MINUTE
        elif status != Status.UNKNOWN:
            firing_for = timedelta(0)
        if status == Status.FINE or (status == Status.UNKNOWN and clear_for):
            clear_for += MINUTE
        elif status != Status.UNKNOWN:
            clear_for = timedelta(0)

"""What follows when a location gets another name: the rules that name it, and their open incidents."""

from __future__ import annotations

from typing import Final

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session, aliased

from ..model.states import AlertKind, IncidentState
from ..storage.models import AlertRule, AlertSubject, Incident

#: Kinds of rules whose subjects are no locations, so that a subject with the name of one is something else.
_NOT_OF_PLACES: Final = (
    AlertKind.PROVIDER_CLOSED,
    AlertKind.KEY_REFUSED,
    AlertKind.QUOTA_RUNS_OUT,
    AlertKind.DISK,
    AlertKind.CLOCK,
    AlertKind.AUDIT_HOLE,
)


def rename_in_rules(session: Session, name: str, new_name: str) -> None:
    """Let the rules of alerts follow the new name of a location, so that its incidents go on without a message."""
    rules = session.scalars(select(AlertRule).where(AlertRule.kind.not_in(_NOT_OF_PLACES)).order_by(AlertRule.id)).all()
    for rule in rules:
        # An evaluation that has read the old name changes nothing any more.
        rule.version += 1
        if name in (names := rule.options.get("locations", ())):
            rule.options = {**rule.options, "locations": [new_name if one == name else one for one in names]}
    ids = [rule.id for rule in rules]
    session.flush()
    other = aliased(AlertSubject)
    # A location that had the new name may have been removed a moment ago: the rule still has to end its incident.
    is_taken = exists().where(other.rule_id == AlertSubject.rule_id, other.name == new_name)
    mine = update(AlertSubject).where(AlertSubject.rule_id.in_(ids), AlertSubject.name == name, ~is_taken)
    session.execute(mine.values(name=new_name), execution_options={"synchronize_session": False})
    is_open = (Incident.rule_id.in_(ids), Incident.state == IncidentState.OPEN)
    for incident in session.scalars(select(Incident).where(*is_open)):
        if name in incident.subjects:
            incident.subjects = [new_name if one == name else one for one in incident.subjects]
    session.flush()

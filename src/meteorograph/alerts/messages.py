"""The texts of messages: what, since when, where, why, and what happens next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from ..model.states import AlertKind
from .kinds import KINDS, condition_text
from .options import RuleOptions

#: Longest text of a message [characters]: the receivers with the lowest limits take 2,000.
MAX_BODY: Final = 1500
_MAX_TITLE: Final = 200

#: Subjects that a message names, and the characters of their names.
_MAX_NAMED: Final = 20
_MAX_NAMES: Final = 700

_PLURALS: Final = {"location": "locations", "provider": "providers", "host": "hosts"}


@dataclass(frozen=True, slots=True)
class IncidentFacts:
    """What a message tells of an incident."""

    id: int
    rule: str
    kind: AlertKind
    options: RuleOptions
    began_at: datetime
    opened_at: datetime
    cause: str
    detail: str
    #: Names of its first subjects, in order, and the number of all.
    subjects: Sequence[str]
    subject_count: int
    #: Messages of it before this one.
    messages: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """A message for people, and the same as JSON for webhooks."""

    #: Identifies what it tells of; a message that arrives twice has the same id.
    id: str
    title: str
    body: str
    event: str
    payload: bytes


def opened(facts: IncidentFacts, now: datetime) -> Message:
    """That an incident has begun."""
    next_ = "Another message follows when it is over." if facts.options.recovery else "No message follows when it is over."
    if facts.options.repeat is not None:
        next_ = f"The message is repeated every {facts.options.repeat} while it goes on. {next_}"
    lines = [
        f"What: {condition_text(facts.kind, facts.options.limit_of(facts.kind), facts.options.hours)}.",
        f"Since: {_time(facts.began_at)}.",
        f"Where: {_names(facts)}.",
        *([f"Cause: {facts.cause}."] if facts.cause else []),
        *([f"Values: {facts.detail}."] if facts.detail else []),
        f"Next: {_HELP.get(facts.kind, '')} {next_}".replace("  ", " "),
    ]
    title = f"{_heading(facts)}: {_short(facts)}"
    return _message(facts, "opened", title, lines, now)


def repeated(facts: IncidentFacts, now: datetime) -> Message:
    """That an incident goes on."""
    first = opened(facts, now)
    title = f"Still {_heading(facts, capital=False)}: {_short(facts)}"
    lines = [f"It goes on for {duration_text(now - facts.began_at)} now.", *first.body.split("\n")[:-1]]
    return _message(facts, f"repeated-{facts.messages}", title, lines, now)


def resolved(facts: IncidentFacts, now: datetime, *, is_dropped: bool = False) -> Message:
    """That an incident is over, or that its subjects are no longer watched."""
    condition = condition_text(facts.kind, facts.options.limit_of(facts.kind), facts.options.hours)
    lines = [
        f"What is {'no longer watched' if is_dropped else 'over'}: {condition}.",
        f"From {_time(facts.began_at)} to {_time(now)} ({duration_text(now - facts.began_at)}).",
        f"Where: {_names(facts)}.",
        *([f"Cause: {facts.cause}."] if facts.cause else []),
        "Next: it was paused, removed, or is gone." if is_dropped else "Next: nothing is to be done.",
    ]
    word = "No longer watched" if is_dropped else "Over"
    return _message(facts, "resolved", f"{word}: {_heading(facts, capital=False)}: {_short(facts)}", lines, now)


def _message(facts: IncidentFacts, event: str, title: str, lines: Sequence[str], now: datetime) -> Message:
    id_ = f"incident-{facts.id}-{event}"
    footer = f"Rule {facts.rule!r}, message {id_}"
    body = shorten("\n".join(lines), MAX_BODY - len(footer) - 1)
    payload = {
        "type": f"incident.{event.partition('-')[0]}",
        "timestamp": now.isoformat(),
        "data": {
            "incident": facts.id,
            "rule": facts.rule,
            "kind": facts.kind,
            "began_at": facts.began_at.isoformat(),
            "opened_at": facts.opened_at.isoformat(),
            "resolved_at": now.isoformat() if event == "resolved" else None,
            "cause": facts.cause,
            "detail": facts.detail,
            "subjects": list(facts.subjects),
            "subject_count": facts.subject_count,
        },
    }
    return Message(id_, shorten(title, _MAX_TITLE), f"{body}\n{footer}", event, msgspec.json.encode(payload))


def run_message(run: dict[str, Any], run_id: int) -> Message:
    """That a run has ended; for webhooks only."""
    payload = msgspec.json.encode({"type": "run.ended", "timestamp": run["ended_at"] or run["due_at"], "data": run})
    return Message(f"run-{run_id}-ended", f"Run of {run['due_at']} ended", "", "ended", payload)


def digest(messages: Sequence[tuple[str, str, datetime]], now: datetime) -> Message:
    """Several messages in one, as their titles with their ids: the channel has got as many as it may get in an hour."""
    id_ = f"digest-{messages[0][1]}-{len(messages)}"
    lines = [f"{created_at:%Y-%m-%d %H:%M} UTC  {shorten(title, 100)}  ({key})" for title, key, created_at in messages]
    footer = f"The rest of an hour with many messages. 'meteorograph alerts history' has the details. Message {id_}"
    shown: list[str] = []
    for line in lines:
        if sum(map(len, shown)) + len(shown) + len(line) + len(footer) + 30 > MAX_BODY:
            shown.append(f"… and {len(lines) - len(shown):,} more")
            break
        shown.append(line)
    payload = msgspec.json.encode({"type": "digest", "timestamp": now.isoformat(), "data": {"messages": lines}})
    return Message(id_, f"Meteorograph: {len(messages):,} messages", "\n".join([*shown, footer]), "digest", payload)


def test_message(now: datetime) -> Message:
    """A message that tries a channel."""
    id_ = f"test-{now:%Y%m%dT%H%M%S%f}"
    payload = msgspec.json.encode({"type": "test", "timestamp": now.isoformat(), "data": {}})
    body = f"This message was sent with 'alerts test' at {_time(now)}. Alerts reach you here.\nMessage {id_}"
    return Message(id_, "Meteorograph: test of this channel", body, "test", payload)


def _heading(facts: IncidentFacts, *, capital: bool = True) -> str:
    text = facts.rule if not facts.rule.islower() else facts.rule.replace("_", " ")
    return text[:1].upper() + text[1:] if capital else text


def _short(facts: IncidentFacts) -> str:
    if facts.subject_count == 1:
        return facts.subjects[0]
    return f"{facts.subject_count:,} {_PLURALS[KINDS[facts.kind].subject]}"


def _names(facts: IncidentFacts) -> str:
    """The subjects, as many by name as a message has room for."""
    names: list[str] = []
    for name in facts.subjects[:_MAX_NAMED]:
        if names and len(", ".join([*names, name])) > _MAX_NAMES:
            break
        names.append(shorten(name, _MAX_NAMES))
    rest = facts.subject_count - len(names)
    listed = ", ".join(names)
    if facts.subject_count == 1:
        return listed
    counted = f"{facts.subject_count:,} {_PLURALS[KINDS[facts.kind].subject]}: {listed}"
    return f"{counted} and {rest:,} more" if rest else counted


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def duration_text(length: timedelta) -> str:
    """A duration such as ``6 h 5 min``."""
    minutes = max(0, round(length.total_seconds() / 60))
    days, rest = divmod(minutes, 1440)
    hours, minutes = divmod(rest, 60)
    parts = [
        f"{days} d" if days else "",
        f"{hours} h" if hours else "",
        f"{minutes} min" if minutes or not (days or hours) else "",
    ]
    return " ".join(filter(None, parts))


def shorten(text: str, length: int) -> str:
    """The text in at most so many characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


_HELP: Final = {
    AlertKind.NO_DATA: "Meteorograph tries each slot again; 'meteorograph gaps' shows the reasons.",
    AlertKind.GAP: "Missed slots are filled from histories where a provider has one.",
    AlertKind.OLD_OBSERVATIONS: "Collection goes on; the values are flagged.",
    AlertKind.PROVIDER_CLOSED: "Meteorograph tries the provider again after pauses of up to 10 min.",
    AlertKind.KEY_REFUSED: "Check the key: 'meteorograph check-keys'.",
    AlertKind.QUOTA_RUNS_OUT: "'meteorograph plan' shows what would fit into the quota.",
    AlertKind.DISK: "Free disk space, or shorten METEOROGRAPH_JOURNAL_DAYS.",
    AlertKind.CLOCK: "Check the time synchronisation of the machine.",
    AlertKind.AUDIT_HOLE: "The reason of the slots was recorded; 'meteorograph gaps' shows it.",
}

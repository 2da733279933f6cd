"""The texts of messages: what, since when, where, why, and what happens next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from ..i18n import ENGLISH, Language, Phrase, phrase_in
from ..model.states import AlertKind
from .kinds import KINDS, condition_text
from .options import RuleOptions

#: Longest text of a message [characters]: the receivers with the lowest limits take 2,000.
MAX_BODY: Final = 1500
_MAX_TITLE: Final = 200

#: Subjects that a message names, and the characters of their names.
_MAX_NAMED: Final = 20
_MAX_NAMES: Final = 700

_DAY: Final = phrase_in("unit", "d")
_HOUR: Final = phrase_in("unit", "h")
_MINUTE: Final = phrase_in("unit", "min")


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


def opened(facts: IncidentFacts, now: datetime, language: Language = ENGLISH) -> Message:
    """That an incident has begun."""
    return _message(
        facts, "opened", f"{_heading(facts)}: {_short(facts, language)}", _opened_lines(facts, language), now, language
    )


def _opened_lines(facts: IncidentFacts, language: Language) -> list[str]:
    say, repeat = language.say, facts.options.repeat
    follows = Phrase("Another message follows when it is over.")
    if not facts.options.recovery:
        follows = Phrase("No message follows when it is over.")
    repeats = [] if repeat is None else [say("The message is repeated every {interval} while it goes on.", interval=str(repeat))]
    help_ = [say(_HELP[facts.kind])] if facts.kind in _HELP else []
    return [
        say("What: {condition}.", condition=_condition(facts)),
        say("Since: {time}.", time=_time(facts.began_at, language)),
        say("Where: {places}.", places=_names(facts, language)),
        *([say("Cause: {cause}.", cause=facts.cause)] if facts.cause else []),
        *([say("Values: {values}.", values=facts.detail)] if facts.detail else []),
        say("Next: {steps}", steps=" ".join([*help_, *repeats, say(follows)])),
    ]


def repeated(facts: IncidentFacts, now: datetime, language: Language = ENGLISH) -> Message:
    """That an incident goes on."""
    heading = f"{_heading(facts, capital=False)}: {_short(facts, language)}"
    lines = [
        language.say("It goes on for {duration} now.", duration=duration_text(now - facts.began_at, language)),
        *_opened_lines(facts, language),
    ]
    title = language.say("Still {incident}", incident=heading)
    return _message(facts, f"repeated-{facts.messages}", title, lines, now, language)


def resolved(facts: IncidentFacts, now: datetime, language: Language = ENGLISH, *, is_dropped: bool = False) -> Message:
    """That an incident is over, or that its subjects are no longer watched."""
    say, what = language.say, Phrase("What is over: {condition}.", condition=_condition(facts))
    title, next_ = Phrase("Over: {incident}", incident=_resolved_heading(facts, language)), Phrase("Next: nothing is to be done.")
    if is_dropped:
        what = Phrase("What is no longer watched: {condition}.", condition=_condition(facts))
        title = Phrase("No longer watched: {incident}", incident=_resolved_heading(facts, language))
        next_ = Phrase("Next: it was paused, removed, or is gone.")
    start, end, length = _time(facts.began_at, language), _time(now, language), duration_text(now - facts.began_at, language)
    lines = [
        say(what),
        say("From {start} to {end} ({duration}).", start=start, end=end, duration=length),
        say("Where: {places}.", places=_names(facts, language)),
        *([say("Cause: {cause}.", cause=facts.cause)] if facts.cause else []),
        say(next_),
    ]
    return _message(facts, "resolved", say(title), lines, now, language)


def _resolved_heading(facts: IncidentFacts, language: Language) -> str:
    return f"{_heading(facts, capital=False)}: {_short(facts, language)}"


def _condition(facts: IncidentFacts) -> Phrase:
    return condition_text(facts.kind, facts.options.limit_of(facts.kind), facts.options.hours)


def _message(facts: IncidentFacts, event: str, title: str, lines: Sequence[str], now: datetime, language: Language) -> Message:
    id_ = f"incident-{facts.id}-{event}"
    footer = language.say("Rule {rule}, message {id}", rule=repr(facts.rule), id=id_)
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


def digest(messages: Sequence[tuple[str, str, datetime]], now: datetime, language: Language = ENGLISH) -> Message:
    """Several messages in one, as their titles with their ids: the channel has got as many as it may get in an hour."""
    id_ = f"digest-{messages[0][1]}-{len(messages)}"
    lines = [f"{_time(created_at, language)}  {shorten(title, 100)}  ({key})" for title, key, created_at in messages]
    rest = language.say("The rest of an hour with many messages. 'meteorograph alerts history' has the details.")
    own_id = language.say("Message {id}", id=id_)
    footer = f"{rest} {own_id}"
    shown: list[str] = []
    for line in lines:
        if sum(map(len, shown)) + len(shown) + len(line) + len(footer) + 30 > MAX_BODY:
            shown.append(language.say("… and {count:,} more", count=len(lines) - len(shown)))
            break
        shown.append(line)
    payload = msgspec.json.encode({"type": "digest", "timestamp": now.isoformat(), "data": {"messages": lines}})
    title = language.say_n("Meteorograph: {count:,} message", "Meteorograph: {count:,} messages", len(messages))
    return Message(id_, title, "\n".join([*shown, footer]), "digest", payload)


def test_message(now: datetime, language: Language) -> Message:
    """A message that tries a channel."""
    id_ = f"test-{now:%Y%m%dT%H%M%S%f}"
    payload = msgspec.json.encode({"type": "test", "timestamp": now.isoformat(), "data": {}})
    text = language.say("This message was sent with 'alerts test' at {time}. Alerts reach you here.", time=_time(now, language))
    own_id = language.say("Message {id}", id=id_)
    body = f"{text}\n{own_id}"
    return Message(id_, language.say("Meteorograph: test of this channel"), body, "test", payload)


def _heading(facts: IncidentFacts, *, capital: bool = True) -> str:
    text = facts.rule if not facts.rule.islower() else facts.rule.replace("_", " ")
    return text[:1].upper() + text[1:] if capital else text


def _short(facts: IncidentFacts, language: Language) -> str:
    return facts.subjects[0] if facts.subject_count == 1 else _counted(facts, language)


def _counted(facts: IncidentFacts, language: Language) -> str:
    """How many subjects there are."""
    count = facts.subject_count
    match KINDS[facts.kind].subject:
        case "provider":
            return language.say_n("{count:,} provider", "{count:,} providers", count)
        case "host":
            return language.say_n("{count:,} host", "{count:,} hosts", count)
    return language.say_n("{count:,} location", "{count:,} locations", count)


def _names(facts: IncidentFacts, language: Language) -> str:
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
    counted = f"{_counted(facts, language)}: {listed}"
    return language.say("{list} and {count:,} more", list=counted, count=rest) if rest else counted


def _time(at: datetime, language: Language) -> str:
    return f"{language.date(at)} {at:%H:%M} UTC"


def duration_text(length: timedelta, language: Language = ENGLISH) -> str:
    """A duration such as ``6 h 5 min``."""
    minutes = max(0, round(length.total_seconds() / 60))
    days, rest = divmod(minutes, 1440)
    hours, minutes = divmod(rest, 60)
    parts = [
        f"{days} {language.say(_DAY)}" if days else "",
        f"{hours} {language.say(_HOUR)}" if hours else "",
        f"{minutes} {language.say(_MINUTE)}" if minutes or not (days or hours) else "",
    ]
    return " ".join(filter(None, parts))


def shorten(text: str, length: int) -> str:
    """The text in at most so many characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


_HELP: Final = {
    AlertKind.NO_DATA: Phrase("Meteorograph tries each slot again; 'meteorograph gaps' shows the reasons."),
    AlertKind.GAP: Phrase("Missed slots are filled from histories where a provider has one."),
    AlertKind.OLD_OBSERVATIONS: Phrase("Collection goes on; the values are flagged."),
    AlertKind.PROVIDER_CLOSED: Phrase("Meteorograph tries the provider again after pauses of up to 10 min."),
    AlertKind.KEY_REFUSED: Phrase("Check the key: 'meteorograph check-keys'."),
    AlertKind.QUOTA_RUNS_OUT: Phrase("'meteorograph plan' shows what would fit into the quota."),
    AlertKind.DISK: Phrase("Free disk space, or shorten METEOROGRAPH_JOURNAL_DAYS."),
    AlertKind.CLOCK: Phrase("Check the time synchronisation of the machine."),
    AlertKind.AUDIT_HOLE: Phrase("The reason of the slots was recorded; 'meteorograph gaps' shows it."),
}

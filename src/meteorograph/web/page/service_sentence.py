"""The state of the service as a sentence for a person, with a level that gives its colour. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from ...i18n import ENGLISH, Language, Phrase, joined, phrase_n
from ...providers.registry import PROVIDERS
from ..health_report import HealthReport, HealthStatus

#: Writes an instant for the reader, in the zone that the reader has chosen.
TimeWriter = Callable[[datetime], str]

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")

#: The problems that the numbers of late places and of missed slots say: effects, not causes.
_LATE: Final = re.compile(r" of [\d,]+ locations? (?:is|are) stale$")
_MISSED: Final = re.compile(r"^[\d,]+(?: or more)? slots? of the last 24 hours ")


class Level(StrEnum):
    """How well the service does. Only ``GOOD`` is green."""

    GOOD = "good"
    #: Nothing is wrong, and nothing is collected yet.
    IDLE = "idle"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a person has to know first."""

    level: Level
    text: str
    #: The slot of the newest values; None without values.
    newest_at: datetime | None = None
    #: When a provider is called next, and whether that only tries whether it answers again.
    next_at: datetime | None = None
    is_try: bool = False
    #: Further problems, causes first.
    details: tuple[str, ...] = ()


def service_sentence(report: HealthReport, write: TimeWriter, *, heals: bool, language: Language = ENGLISH) -> Sentence:
    """The sentence of a state: the cause of what is wrong first, then how many places that concerns.

    Args:
        report: The state of the service.
        write: Writes the instants in the sentence.
        heals: Whether missed slots are filled from the history of a provider.
        language: The language of the sentence.
    """
    problems = [problem for problem in report.problems if not _LATE.search(problem)]
    causes = [_readable(problem, report, write, language) for problem in problems if not _MISSED.search(problem)]
    missed = [_readable(problem, report, write, language) for problem in problems if _MISSED.search(problem)]
    if not report.is_database_up:
        return Sentence(
            Level.BAD, causes[0] if causes else language.say("The database does not answer."), details=tuple(causes[1:])
        )
    closed_until = _closed_until(report)
    parts = [*causes[:1], language.say(_places(report))]
    details = (*causes[1:], *missed)
    is_starting = report.status == HealthStatus.STARTING
    if heals and report.stale and report.is_scheduler_running and not is_starting:
        parts.append(language.say("Gaps are filled as far as a history has them."))
    return Sentence(
        level=_level(report),
        text=" ".join(part for part in parts if part),
        newest_at=report.newest_slot,
        next_at=closed_until or report.next_run,
        is_try=closed_until is not None,
        details=details,
    )


def _level(report: HealthReport) -> Level:
    if report.status == HealthStatus.FAILING:
        return Level.BAD
    if report.status == HealthStatus.STARTING:
        return Level.IDLE
    if report.problems or report.stale:
        return Level.WARN
    is_collected = report.is_scheduler_running and any(age is not None for age in report.freshness.values())
    return Level.GOOD if is_collected and None not in report.freshness.values() else Level.IDLE


def _places(report: HealthReport) -> Phrase:
    """How many places are up to date, or wait."""
    total, late = len(report.freshness), len(report.stale)
    new = sum(age is None for age in report.freshness.values())
    if not total:
        return Phrase("No place is collected yet.")
    if not report.is_scheduler_running and not report.problems:
        return joined([_NO_SCHEDULER, _late(late, total)]) if late else _NO_SCHEDULER
    if late:
        return _wait(phrase_n("{part:,} of {count:,} place", "{part:,} of {count:,} places", total, part=late), late)
    if new:
        places = phrase_n("{part:,} of {count:,} place", "{part:,} of {count:,} places", total, part=new)
        if new == total:
            places = phrase_n("{count:,} place", "{count:,} places", total)
        return _wait(places, new) if report.problems else _wait_for_first(places, new)
    return phrase_n("{count:,} place is up to date.", "All {count:,} places are up to date.", total)


_NO_SCHEDULER: Final = Phrase("Nothing is collected: no scheduler is running.")


def _late(part: int, total: int) -> Phrase:
    places = phrase_n("{part:,} of {count:,} place", "{part:,} of {count:,} places", total, part=part)
    return phrase_n("{places} is late.", "{places} are late.", part, places=places)


def _wait(places: Phrase, count: int) -> Phrase:
    return phrase_n("{places} waits for values.", "{places} wait for values.", count, places=places)


def _wait_for_first(places: Phrase, count: int) -> Phrase:
    return phrase_n("{places} waits for its first values.", "{places} wait for their first values.", count, places=places)


def _closed(report: HealthReport) -> str | None:
    """The provider that failed last, if that is the first cause; not one with a used-up quota or a refused key."""
    first = report.problems[0] if report.problems else ""
    names = (name for name, account in report.accounts.items() if account.closed_until and not account.by_quota)
    return next((name for name in names if first.startswith(f"{name} is closed until")), None)


def _closed_until(report: HealthReport) -> datetime | None:
    name = _closed(report)
    return report.accounts[name].closed_until if name else None


def _readable(problem: str, report: HealthReport, write: TimeWriter, language: Language) -> str:
    """A problem as a sentence: with the provider's title, and times as the reader wants them."""
    name = _closed(report)
    if name is not None and problem == report.problems[0]:
        account = report.accounts[name]
        silence = Phrase("{provider} does not answer", provider=_title(name))
        if at := account.last_answer_at:
            silence = Phrase("{provider} has not answered since {time}", provider=_title(name), time=write(at))
        reason = (account.reason or "").removeprefix(f"{name}: ")
        said = language.say(silence)
        return _with_stop(f"{said}: {reason}" if reason else said)
    said = language.say(problem) if isinstance(problem, Phrase) else problem
    text = _INSTANT.sub(lambda match: write(datetime.fromisoformat(match[0].replace("Z", "+00:00"))), said)
    for provider in PROVIDERS:
        text = re.sub(rf"(?<![\w-]){re.escape(provider)}(?![\w.-])", _title(provider), text)
    return _with_stop(text[:1].upper() + text[1:])


def _title(name: str) -> str:
    return PROVIDERS[name].title if name in PROVIDERS else name


def _with_stop(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."

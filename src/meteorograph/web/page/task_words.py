"""Background tasks as the page of jobs shows them: what they do, how far they are, and what came of them, in words. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any, Final

from ...i18n import Phrase, phrase_n
from ...model.states import TaskState
from ...storage.models import BackgroundTask
from .display import Display

#: Kind → what a task of it does.
_KINDS: Final = {
    "backfill": Phrase("Fill missed slots"),
    "reparse": Phrase("Read the journal again"),
    "export": Phrase("Export"),
}


@dataclass(frozen=True, slots=True)
class TaskView:
    """A background task in words."""

    task: BackgroundTask
    what: Phrase
    #: What it is limited to, in the zone of the page, and the name of its file.
    details: list[Phrase | str]
    #: None if it has not begun.
    progress: Phrase | None
    results: list[Phrase]

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs, so that it can be cancelled."""
        return self.task.state in (TaskState.PENDING, TaskState.RUNNING)


def task_view(task: BackgroundTask, display: Display) -> TaskView:
    """A background task in words, with times in the zone of the page."""
    arguments = json.loads(task.arguments)
    return TaskView(
        task,
        _KINDS.get(task.kind, Phrase(task.kind)),
        list(_details(arguments, display)),
        None if task.total is None else _progress(task.kind, task.done, task.total),
        [phrase for name, count in json.loads(task.counts).items() if (phrase := _result(name, count))],
    )


def _progress(kind: str, done: int, total: int) -> Phrase | None:
    match kind:
        case "backfill":
            return phrase_n("{done:,} of {count:,} slot", "{done:,} of {count:,} slots", total, done=done)
        case "reparse":
            return phrase_n(
                "{done:,} of {count:,} hour of the journal", "{done:,} of {count:,} hours of the journal", total, done=done
            )
        case "export":
            return phrase_n("{done:,} of {count:,} location", "{done:,} of {count:,} locations", total, done=done)
    return None


def _details(arguments: dict[str, Any], display: Display) -> Iterator[Phrase | str]:
    places = arguments.get("locations") or [one for one in (arguments.get("location"),) if one]
    if places:
        yield ", ".join(places)
    if tags := arguments.get("tags"):
        yield phrase_n("tag {tags}", "tags {tags}", len(tags), tags=", ".join(tags))
    if period := _period(arguments, display):
        yield period
    if arguments.get("again"):
        yield Phrase("also those that no history has")
    if output := arguments.get("output"):
        yield PurePath(output).name


def _period(arguments: dict[str, Any], display: Display) -> Phrase | None:
    edges = [datetime.fromisoformat(arguments[name]) for name in ("start", "end") if arguments.get(name)]
    if not edges:
        return None
    texts = [display.instant(at.replace(second=0, microsecond=0)) for at in edges]
    texts[-1] += f" {display.label(edges[-1])}"
    if len(texts) == 2:
        return Phrase("{low} to {high}", low=texts[0], high=texts[1])
    return Phrase("from {time} on", time=texts[0]) if arguments.get("start") else Phrase("until {time}", time=texts[0])


def _result(name: str, count: int) -> Phrase | None:
    """A number that a task has counted; None for one that the page does not show."""
    match name:
        case "filled":
            return phrase_n("{count:,} slot filled", "{count:,} slots filled", count)
        case "missing":
            return phrase_n("{count:,} slot is still missed", "{count:,} slots are still missed", count)
        case "payloads":
            return phrase_n("{count:,} answer read", "{count:,} answers read", count)
        case "rows":
            return phrase_n("{count:,} row", "{count:,} rows", count)
        case "differences":
            return phrase_n("{count:,} difference", "{count:,} differences", count)
        case "files":
            return phrase_n("{count:,} file", "{count:,} files", count)
        case "unread" if count:
            return phrase_n("{count:,} answer cannot be read", "{count:,} answers cannot be read", count)
        case "refused" if count:
            return phrase_n("{count:,} row was refused", "{count:,} rows were refused", count)
    return None

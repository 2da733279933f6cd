"""What is to be said of the kinds of background tasks; without what does them, so that pages and lists can use it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple


class Description(NamedTuple):
    """A kind of task."""

    #: Whether it reads or writes files of the host on which it was added.
    is_of_host: bool
    #: What ``done`` and ``total`` count.
    unit: str


DESCRIPTIONS: Final[Mapping[str, Description]] = {
    "backfill": Description(False, "slots"),
    "reparse": Description(True, "hours of the journal"),
    "export": Description(True, "locations"),
}


def arguments_text(arguments: Mapping[str, Any]) -> str:
    """The arguments of a task as a text for people."""
    return ", ".join(_argument_text(name, value) for name, value in arguments.items() if value not in (None, False, []))


def _argument_text(name: str, value: Any) -> str:
    if value is True:
        return name
    if name in ("start", "end"):
        return f"{name} {datetime.fromisoformat(value):%Y-%m-%d %H:%M}"
    return f"{name} {', '.join(value) if isinstance(value, list) else value}"

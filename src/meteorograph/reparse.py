"""Journalled payloads through the parser again: what it reads now, against what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from . import journal
from .check import check
from .check_states import flagged
from .db import get_db_session
from .errors import FetchError, PayloadError
from .flags import IMPLIED_ZERO, IMPOSSIBLE
from .heal_plan import NEAR, matched
from .journal import Entry
from .observe import with_quantity
from .providers import PROVIDERS, Provider
from .quantities import QUANTITIES
from .settings import Settings
from .store import Row, row, store
from .tables import Location, Missed, WeatherData
from .values import Observation, Point

#: Times of the same payload differ by less than this, however a database rounds them.
SAME: Final = timedelta(milliseconds=1)

Slot = tuple[int, datetime]


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that is read otherwise now; of a row that is missing, ``quantity`` is None and ``after`` its provider."""

    location_id: int
    due_at: datetime
    provider: str
    quantity: str | None
    before: Any
    after: Any


@dataclass(slots=True)
class Reparsed:
    """What came of it."""

    payloads: int = 0
    #: Payloads that cannot be read, by what is said of them; their rows stay as they are.
    unread: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    #: The rows to store.
    rows: list[Row] = field(default_factory=list)
    #: Of those stored, the ones that the database refused, with its words.
    refused: list[str] = field(default_factory=list)


def reparse(settings: Settings, start: datetime, end: datetime, *, apply: bool) -> Reparsed:
    """Parse what the journal has of slots with ``start <= due_at < end``, and store the differences if told to.

    Each value is held against what the payload of the provider says that the row says it came from. A row that is missing
    is put together from the payloads of its slot, as it is in collection.

    Raises:
        StoreError: The database cannot be reached.
    """
    done = Reparsed()
    live: dict[Slot, dict[str, list[Observation]]] = {}
    with get_db_session(read_only=True) as session:
        there = set(session.scalars(select(Location.id)))
        for entry in journal.read(settings.journal_dir, start, end):
            if entry.kind == "station" or not there.intersection(filter(None, entry.location_ids)):
                continue
            done.payloads += 1
            try:
                if entry.kind == "history":
                    _reparse_history(session, done, entry)
                else:
                    for location_id, found in zip(
                        entry.location_ids, PROVIDERS[entry.provider].parse(entry.payload()), strict=True
                    ):
                        if location_id is not None and location_id in there and found is not None:
                            slot = live.setdefault((location_id, entry.due_at), {})
                            slot.setdefault(entry.provider, []).append(check(found))
            except (FetchError, PayloadError) as error:
                done.unread[str(error)] = done.unread.get(str(error), 0) + 1
            except Exception as error:  # a parser's fault must cost one payload and not the others
                said = f"{entry.provider}: the parser failed: {type(error).__name__}"
                done.unread[said] = done.unread.get(said, 0) + 1
        for (location_id, due_at), by_provider in live.items():
            _compare(done, location_id, due_at, session.get(WeatherData, (location_id, due_at)), by_provider, settings)
    if apply and done.rows:
        refused = {(one["location_id"], one["due_at"]): reason for one, reason in store(done.rows, flagged)}
        done.refused = list(refused.values())
        with get_db_session() as session:
            for one in done.rows:
                if (one["location_id"], one["due_at"]) in refused:
                    continue
                mine = (Missed.location_id == one["location_id"], Missed.due_at == one["due_at"])
                session.execute(delete(Missed).where(*mine), execution_options={"synchronize_session": False})
    return done


def _compare(
    done: Reparsed,
    location_id: int,
    due_at: datetime,
    stored: WeatherData | None,
    by_provider: dict[str, list[Observation]],
    settings: Settings,
) -> None:
    if stored is None:
        whole = _whole(by_provider, settings)
        if whole is not None:
            _add_missing(done, row(location_id, due_at, whole))
        return
    own = [one for one in by_provider.get(stored.provider, ()) if abs(one.fetched_at - stored.fetched_at) < SAME]
    given = {name: found[-1] for name, found in by_provider.items() if name != stored.provider}
    _add_changes(done, stored, given | ({stored.provider: own[-1]} if own else {}))


def _whole(by_provider: dict[str, list[Observation]], settings: Settings) -> Observation | None:
    """The observation of a slot from its payloads, in the order of the settings."""
    given = {name: found[-1] for name, found in by_provider.items()}
    found = next((given[name] for name in settings.providers if name in given), None)
    if found is None:
        return None
    own = {"precipitation": settings.precipitation_providers or settings.providers, **settings.quantity_providers}
    for quantity, names in own.items():
        givers = (given[name] for name in names if name in given and getattr(given[name], quantity) is not None)
        giver = next(givers, None)
        if giver is None or giver.provider != found.provider:
            found = with_quantity(found, quantity, giver)
    return found


def _add_missing(done: Reparsed, made: Row) -> None:
    done.differences.append(Difference(made["location_id"], made["due_at"], made["provider"], None, None, made["provider"]))
    done.rows.append(made)


def _add_changes(done: Reparsed, stored: WeatherData, given: dict[str, Observation]) -> None:
    """What a row says, against what the payloads of those say that it has its values from."""
    made: Row = {column.name: getattr(stored, column.name) for column in WeatherData.__table__.columns}
    flags = {name: list(words) for name, words in (stored.flags or {}).items()}
    changed: list[Difference] = []
    for quantity in QUANTITIES:
        name = (stored.providers or {}).get(quantity.name, stored.provider)
        if name not in given:
            continue
        found, before = given[name], (made[quantity.name], _of_parser(flags.get(quantity.name, [])))
        after = (getattr(found, quantity.name), _of_parser(found.flags.get(quantity.name, [])))
        period = found.precipitation_period if quantity.name == "precipitation" else stored.precipitation_period
        if before == after and period == made["precipitation_period"]:
            continue
        others = [word for word in flags.pop(quantity.name, []) if word not in before[1]] if before[0] == after[0] else []
        if after[1] or others:
            flags[quantity.name] = [*after[1], *others]
        made[quantity.name], made["precipitation_period"] = after[0], period
        changed.append(Difference(stored.location_id, stored.due_at, name, quantity.name, _told(before), _told(after)))
    if changed:
        done.differences += changed
        done.rows.append({**made, "flags": flags or None})


def _of_parser(words: list[str]) -> list[str]:
    """The flags that come with a payload; the others come from the checks of the row."""
    return [word for word in words if word == IMPLIED_ZERO or word.startswith(IMPOSSIBLE)]


def _told(value: tuple[Any, list[str]]) -> Any:
    return f"{value[0]} ({', '.join(value[1])})" if value[1] else value[0]


def _reparse_history(session: Session, done: Reparsed, entry: Entry) -> None:
    (location_id,) = entry.location_ids
    if location_id is None:
        return
    page = _history(PROVIDERS[entry.provider], entry)
    observations = [check(one) for one in page if one.observed_at is not None]
    if not observations:
        return
    times = [one.observed_at for one in observations if one.observed_at is not None]
    first, last = min(times) - NEAR, max(times) + NEAR
    rows = select(WeatherData).where(WeatherData.location_id == location_id, WeatherData.due_at.between(first, last))
    stored = {one.due_at: one for one in session.scalars(rows)}
    missed = select(Missed.due_at).where(Missed.location_id == location_id, Missed.due_at.between(first, last))
    mine = [at for at, one in stored.items() if one.origin == "backfill" and abs(one.fetched_at - entry.fetched_at) < SAME]
    for at, found in matched(mine, observations).items():
        _add_changes(done, stored[at], {entry.provider: found})
    for at, found in matched([at for at in session.scalars(missed) if at not in stored], observations).items():
        _add_missing(done, row(location_id, at, found, "backfill"))


def _history(provider: Provider, entry: Entry) -> Iterator[Observation]:
    """What an entry says, by the history that asks at such an address."""
    path = urlsplit(entry.url).path
    for history in provider.history:
        asked = history.request("http://host", Point(*entry.points[0]), entry.due_at, entry.due_at, "")
        if path.endswith(urlsplit(asked.url).path):
            return iter(history.parse(entry.payload()).observations)
    raise PayloadError(provider.name, f"no history is asked at {path}", entry.body)

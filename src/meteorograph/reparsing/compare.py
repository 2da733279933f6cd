"""What payloads say of a slot that are read again, against the row that is stored for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ..collecting.observation import replace_quantity
from ..config.settings import Settings
from ..model.flags import Flag
from ..model.quantities import QUANTITIES
from ..model.values import Observation
from ..quality.provider_agreement import flag_disagreements
from ..storage.observations import Row, to_row

#: Times of the same payload differ by less than this, however a database rounds them.
SAME: Final = timedelta(milliseconds=1)

#: Provider → what its payloads of a slot say, in the order in which they came.
ParsedPayloads = Mapping[str, Sequence[Observation]]

#: Flags that come with a payload, and those that the checks find in a row alone, and so find again when it is stored.
_OF_PARSER: Final = (Flag.IMPLIED_ZERO, Flag.AT_LEAST, Flag.REJECTED, Flag.IMPOSSIBLE)
_FOUND_AGAIN: Final = frozenset({Flag.RANGE, Flag.CLIMATE, Flag.INCONSISTENT, Flag.FUTURE})


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that is read otherwise now; of a row that is missing, ``quantity`` is None and ``after`` its provider."""

    location_id: int
    due_at: datetime
    provider: str
    #: Or ``observed_at``, ``condition``.
    quantity: str | None
    before: Any
    after: Any


def missing_row(made: Row) -> Difference:
    """The difference that a row makes that is missing."""
    return Difference(made["location_id"], made["due_at"], made["provider"], None, None, made["provider"])


def assemble_row(location_id: int, due_at: datetime, given: ParsedPayloads, settings: Settings) -> Row | None:
    """The row of a slot from its payloads, in the order of the settings."""
    last = {name: found[-1] for name, found in given.items()}
    found = next((last[name] for name in settings.providers if name in last), None)
    if found is None:
        return None
    own = {"precipitation": settings.precipitation_providers or settings.providers, **settings.quantity_providers}
    for quantity, names in own.items():
        givers = (last[name] for name in names if name in last and getattr(last[name], quantity) is not None)
        giver = next(givers, None)
        if giver is None or giver.provider != found.provider:
            found = replace_quantity(found, quantity, giver)
    for name in dict.fromkeys(name for names in own.values() for name in names):
        if name in last and name != found.provider:
            found = flag_disagreements(found, last[name])
    return to_row(location_id, due_at, found)


def changed_row(stored: Row, given: ParsedPayloads) -> tuple[Row | None, list[Difference]]:
    """A stored row as the payloads have it of those that it says it has its values from, if that is another; and how it differs.

    A value that stays keeps the flags of the checks that need the past (``step``, ``stale``); one that changes loses them. Where
    a provider says that its answer is for, and in which words, goes with the row's own provider.
    """
    own = [one for one in given.get(stored["provider"], ()) if abs(one.fetched_at - stored["fetched_at"]) < SAME]
    last = {name: found[-1] for name, found in given.items() if name != stored["provider"]}
    last |= {stored["provider"]: own[-1]} if own else {}
    made = dict(stored)
    flags = {name: list(words) for name, words in (stored["flags"] or {}).items()}
    found: list[Difference] = []

    def differs(provider: str, name: str, before: Any, after: Any) -> None:
        found.append(Difference(stored["location_id"], stored["due_at"], provider, name, before, after))

    for quantity in QUANTITIES:
        name, provider = quantity.name, (stored["providers"] or {}).get(quantity.name, stored["provider"])
        if provider not in last:
            continue
        one, words = last[provider], flags.get(name, [])
        before, after = (stored[name], _of_parser(words)), (getattr(one, name), _of_parser(one.flags.get(name, [])))
        period = one.precipitation_period if name == "precipitation" else stored["precipitation_period"]
        if before == after and period == stored["precipitation_period"]:
            continue
        if before == after:
            differs(provider, "precipitation_period", stored["precipitation_period"], period)
        else:
            differs(provider, name, _told(before), _told(after))
        others = [word for word in words if word not in before[1]] if before[0] == after[0] else []
        flags[name] = [*after[1], *others]
        made[name] = after[0]
        if name == "precipitation":
            made["precipitation_period"] = period
    if own:
        said = to_row(stored["location_id"], stored["due_at"], own[-1])
        if said["condition"] != stored["condition"]:
            differs(stored["provider"], "condition", stored["condition"], said["condition"])
            made["condition"] = said["condition"]
        if not _is_same(said["observed_at"], stored["observed_at"]):
            differs(stored["provider"], "observed_at", _iso(stored["observed_at"]), _iso(said["observed_at"]))
            made["observed_at"] = said["observed_at"]
            flags.pop("observed_at", None)
    if not found:
        return None, found
    kept = {name: [word for word in words if word not in _FOUND_AGAIN] for name, words in flags.items()}
    made["flags"] = {name: words for name, words in kept.items() if words} or None
    return made, found


def _of_parser(words: Sequence[str]) -> list[str]:
    return [word for word in words if word.startswith(_OF_PARSER)]


def _told(value: tuple[Any, list[str]]) -> Any:
    return f"{value[0]} ({', '.join(value[1])})" if value[1] else value[0]


def _is_same(one: datetime | None, other: datetime | None) -> bool:
    return one is other if one is None or other is None else abs(one - other) < SAME


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()

"""Compares the stored row of a slot with payloads of the slot that were parsed again. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from ..collecting.observation import replace_quantity
from ..config.settings import Settings
from ..model.flags import Flag
from ..model.quantities import AMOUNTS, QUANTITIES
from ..model.values import Observation
from ..quality.provider_agreement import flag_disagreements
from ..storage.observations import Row, to_row

#: Two times that differ by less are those of the same payload: databases round them differently.
SAME_TIME: Final = timedelta(milliseconds=1)

#: Provider → the observations of its payloads of one slot, in the order of the journal.
ParsedPayloads = Mapping[str, Sequence[Observation]]

#: Flags that a parser sets.
_PARSER_FLAGS: Final = (
    *(Flag.IMPLIED_ZERO, Flag.AT_LEAST, Flag.REJECTED, Flag.IMPOSSIBLE, Flag.UNREADABLE, Flag.TRACE, Flag.CLEAR_BELOW),
    *(Flag.LEVEL_UNKNOWN, Flag.DERIVED),
)
#: Flags of checks that need one row only: the checks set them again when the row is stored.
_ROW_FLAGS: Final = frozenset({Flag.RANGE, Flag.CLIMATE, Flag.INCONSISTENT, Flag.FUTURE, Flag.OLD})


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that the parser reads differently now, or a missing row."""

    location_id: int
    due_at: datetime
    provider: str
    #: A quantity, ``precipitation_period``, ``observed_at`` or ``condition``; None for a missing row.
    quantity: str | None
    before: Any
    #: The new value; of a missing row its provider.
    after: Any


def missing_row(row: Row) -> Difference:
    """The difference for a row that is missing in the database."""
    return Difference(row["location_id"], row["due_at"], row["provider"], None, None, row["provider"])


def assemble_row(location_id: int, due_at: datetime, payloads: ParsedPayloads, settings: Settings) -> Row | None:
    """Make the row of a slot from its payloads, in the order of providers of the settings; None without a usable payload."""
    newest = {name: observations[-1] for name, observations in payloads.items()}
    observation = next((newest[name] for name in settings.providers if name in newest), None)
    if observation is None:
        return None
    orders = settings.quantity_orders()
    for quantity, order in orders.items():
        is_own_last = quantity == "precipitation" and settings.keeps_own_precipitation
        names = [*order, observation.provider] if is_own_last else order
        candidates = (newest[name] for name in names if name in newest and getattr(newest[name], quantity) is not None)
        source = next(candidates, None)
        if source is None or source.provider != observation.provider:
            observation = replace_quantity(observation, quantity, source)
    for name in dict.fromkeys(name for names in orders.values() for name in names):
        if name in newest and name != observation.provider:
            observation = flag_disagreements(observation, newest[name])
    return to_row(location_id, due_at, observation)


def changed_row(stored: Row, payloads: ParsedPayloads) -> tuple[Row | None, list[Difference]]:
    """The stored row with the values that its payloads have now, and the differences; None without any.

    Each value is compared with the payload of the provider that the row names for it. An unchanged value keeps the flags of the
    checks that need earlier rows (``step``, ``stale``); a changed value loses them. ``observed_at`` and ``condition`` come from
    the row's main provider.
    """
    return _Comparison(stored, payloads).run()


class _Comparison:
    def __init__(self, stored: Row, payloads: ParsedPayloads) -> None:
        main = stored["provider"]
        own = [
            observation
            for observation in payloads.get(main, ())
            if abs(observation.fetched_at - stored["fetched_at"]) < SAME_TIME
        ]
        own = [_with_level_of(stored, observation) for observation in own]
        self._stored = stored
        #: The observation of the row's main provider with the row's own ``fetched_at``.
        self._own = own[-1] if own else None
        self._newest = {name: observations[-1] for name, observations in payloads.items() if name != main}
        if self._own is not None:
            self._newest[main] = self._own
        self._row = dict(stored)
        self._flags = {name: list(words) for name, words in (stored["flags"] or {}).items()}
        self._differences: list[Difference] = []

    def run(self) -> tuple[Row | None, list[Difference]]:
        for quantity in QUANTITIES:
            self._compare_quantity(quantity.name)
        if self._own is not None:
            self._compare_fields(self._own)
        if not self._differences:
            return None, []
        flags = {name: [word for word in words if word not in _ROW_FLAGS] for name, words in self._flags.items()}
        self._row["flags"] = {name: words for name, words in flags.items() if words} or None
        return self._row, self._differences

    def _compare_quantity(self, name: str) -> None:
        stored = self._stored
        others = stored["providers"] or {}
        # Amounts share their period, so with the precipitation of another provider the row has no other amount of its own.
        provider = others.get(name) or (others.get("precipitation") if name in AMOUNTS else None) or stored["provider"]
        if provider not in self._newest:
            return
        observation, words = self._newest[provider], self._flags.get(name, [])
        before = (stored[name], _parser_flags(words))
        after = (getattr(observation, name), _parser_flags(observation.flags.get(name, [])))
        period = observation.precipitation_period if name == "precipitation" else stored["precipitation_period"]
        if before == after and period == stored["precipitation_period"]:
            return
        if before == after:
            self._add_difference(provider, "precipitation_period", stored["precipitation_period"], period)
        else:
            self._add_difference(provider, name, _describe(*before), _describe(*after))
        other_words = [word for word in words if word not in before[1]] if before[0] == after[0] else []
        self._flags[name] = [*after[1], *other_words]
        self._row[name] = after[0]
        if name == "precipitation":
            self._row["precipitation_period"] = period

    def _compare_fields(self, own: Observation) -> None:
        stored, provider = self._stored, self._stored["provider"]
        row = to_row(stored["location_id"], stored["due_at"], own)
        if row["condition"] != stored["condition"]:
            self._add_difference(provider, "condition", stored["condition"], row["condition"])
            self._row["condition"] = row["condition"]
        if not _is_same_time(row["observed_at"], stored["observed_at"]):
            self._add_difference(provider, "observed_at", _iso(stored["observed_at"]), _iso(row["observed_at"]))
            self._row["observed_at"] = row["observed_at"]
            self._flags.pop("observed_at", None)

    def _add_difference(self, provider: str, name: str, before: Any, after: Any) -> None:
        stored = self._stored
        self._differences.append(Difference(stored["location_id"], stored["due_at"], provider, name, before, after))


def _with_level_of(stored: Row, observation: Observation) -> Observation:
    """The observation with a pressure of unknown level at the level that the checks found when the row was stored."""
    words = observation.flags.get("pressure", [])
    if Flag.LEVEL_UNKNOWN not in words or Flag.LEVEL_UNKNOWN in (stored["flags"] or {}).get("pressure", ()):
        return observation
    others = {name: own for name, own in observation.flags.items() if name != "pressure"}
    words = [word for word in words if word != Flag.LEVEL_UNKNOWN]
    name = "station_pressure" if stored["pressure"] is None and stored["station_pressure"] is not None else "pressure"
    flags = {**others, name: words} if words else others
    value = observation.pressure
    changes: dict[str, Any] = {} if name == "pressure" else {"pressure": None, name: value}
    return msgspec.structs.replace(observation, flags=flags, **changes)


def _parser_flags(words: Sequence[str]) -> list[str]:
    return [word for word in words if word.startswith(_PARSER_FLAGS)]


def _describe(value: Any, words: list[str]) -> Any:
    """A value, as a text with its flags if it has any."""
    return f"{value} ({', '.join(words)})" if words else value


def _is_same_time(one: datetime | None, other: datetime | None) -> bool:
    return one is other if one is None or other is None else abs(one - other) < SAME_TIME


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()

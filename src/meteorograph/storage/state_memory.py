"""The states of the checks that this process remembers, so that it need not read and write them with each row.

A state that is remembered counts as long as the database agrees: the same stored state, and as many rows since. So another
process may store rows of a location at any time, and a process that stood still is not believed.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy import Engine

from ..quality.time_checks import PastState

#: States of one database that a process remembers at most; some 16 MB. Those of further locations are stored with each row.
MAX_STATES: Final = 20_000


class RememberedState(NamedTuple):
    """The newest state of a location."""

    #: The changing part of the stored state, and the number of rows of later slots.
    stored: str
    rows: int
    #: In MessagePack, which takes a third of the time of the text that is stored.
    packed: bytes
    #: With so many rows the state is stored again.
    stored_at_rows: int


#: Packs a state, and unpacks it.
pack_state: Final = msgspec.msgpack.Encoder().encode
unpack_state: Final = msgspec.msgpack.Decoder(PastState).decode


class StateMemory:
    """The states of each database, by location. Thread-safe: each operation is one of a dictionary."""

    def __init__(self) -> None:
        self._states: WeakKeyDictionary[Engine, dict[int, RememberedState]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, engine: Engine) -> dict[int, RememberedState]:
        """The states of a database."""
        with self._lock:
            return self._states.setdefault(engine, {})

    def update(self, engine: Engine, states: Mapping[int, RememberedState]) -> None:
        """Remember states; new ones while there is room."""
        known = self.of(engine)
        room = MAX_STATES - len(known)
        for location_id, state in states.items():
            if location_id in known:
                known[location_id] = state
            elif room > 0:
                known[location_id] = state
                room -= 1

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._states.clear()


#: Those of this process.
STATE_MEMORY: Final = StateMemory()

"""What a process holds of a run while it collects it: the whole run, or some of its shards."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ..config.settings import Settings
from ..journal.reader import read_slots, read_stored_slot
from ..journal.store import open_store
from ..ledger import claims, closing, shards
from ..ledger.conditions import Claim
from ..ledger.shards import HeldShard, Wait
from ..log_output import get_logger
from ..model import clock
from ..model.states import RunState
from ..model.values import DueLocation, Payload
from ..storage.engine import database_name, uses_other_database
from ..storage.fences import Fence
from .location_queue import LocationQueue
from .run_context import RequestKey

log = get_logger(__name__)

#: Where locations become due one after the other within a slot, a shard is looked at so often in that time.
LOOKS_IN_SPREAD: Final = 50

#: Receives the number of locations that are about to be collected.
Expect = Callable[[int], None]


class RunHold:
    """A run that this process holds as a whole.

    Args:
        claim: The run.
        settings: The settings in force.
        expect: Receives the number of locations that are about to be collected.
    """

    def __init__(self, claim: Claim, settings: Settings, expect: Expect = lambda _: None) -> None:
        self.claim = claim
        #: Whether locations become due later in the slot.
        self.has_later = False
        #: Set when another process has claimed the run, or taken one of the shards.
        self.lost = threading.Event()
        #: Answers that an earlier holder has received already.
        self.replayed: dict[RequestKey, Payload] = {}
        self.database = database_name()
        self._settings = settings
        self._expect = expect
        self._spread = timedelta(seconds=settings.spread_seconds)
        self._now = clock.now()

    def queue(self) -> LocationQueue:
        """The locations without a row, in the order of their ids."""
        return LocationQueue(self._read)

    def _read(self, after: int, limit: int) -> Sequence[DueLocation]:
        due, self.has_later = claims.due_locations(self.claim, self._now, self._spread, after=after, limit=limit)
        if due and not after and (self.claim.taken_over or uses_other_database()):
            self._read_journal()
        self._expect(len(due))
        return due

    def _read_journal(self) -> None:
        """Remember the answers to requests of the run; refusals and failures must be requested again."""
        slot = self.claim.due_at
        if self._settings.journal_days:
            for entry in read_slots(self._settings.journal_dir, slot, slot + timedelta(microseconds=1)):
                if entry.status == 200:
                    self.replayed[entry.url, tuple(entry.params.items())] = entry.payload()
            if (store := open_store(self._settings.journal_store)) is not None:
                for entry in read_stored_slot(store, self._settings.journal_dir, slot):
                    if entry.status == 200:
                        self.replayed.setdefault((entry.url, tuple(entry.params.items())), entry.payload())

    def note_lost(self) -> None:
        """Another process has taken the run over: this attempt must end."""
        if not self.lost.is_set():
            log.warning("another process has claimed the run", run_id=self.claim.run_id)
            self.lost.set()

    def fences(self, ids: Collection[int]) -> dict[Fence, set[int]]:
        """The rights that results of these locations need: fence → locations."""
        return {Fence(self.claim.run_id, None, self.claim.token): set(ids)}

    def note_stored(self, fences: Mapping[Fence, Collection[int]]) -> None:
        """The results of these locations are in the database of the run."""

    def renew(self, now: datetime) -> bool:
        """Extend the lease; False when another process has taken over."""
        return claims.renew_run(self.claim.run_id, now + self.claim.lease)

    def finish(self) -> RunState:
        """Close what is held; gives the state of the run, which is ``pending`` if a location has no account."""
        return closing.finish_run(self.claim, 0, clock.now())

    def release(self, wait: Wait) -> RunState:
        """Give back what is held; gives the state of the run."""
        closing.release_run(self.claim, 0, until=wait.until, reason=wait.reason)
        return RunState.PENDING


@dataclass(slots=True)
class _Shard:
    """A shard, and what is left of it."""

    shard: HeldShard
    #: Its locations without a result.
    left: int
    has_later: bool


class ShardHold(RunHold):
    """Shards of a run. The next one is taken when the locations of the last one are all in progress."""

    def __init__(self, claim: Claim, settings: Settings, expect: Expect = lambda _: None) -> None:
        super().__init__(claim, settings, expect)
        self._held: dict[int, _Shard] = {}
        self._tried: set[int] = set()
        self._journal_read_at: datetime | None = None
        #: Held while shards are taken, left or renewed.
        self._lock = threading.Lock()

    def queue(self) -> LocationQueue:
        """The locations of one shard after the other."""
        return LocationQueue(self._read, ahead=self._settings.concurrency)

    def _read(self, _after: int, _limit: int) -> Sequence[DueLocation]:
        while (shard := self._take()) is not None:
            due, has_later = claims.due_locations(self.claim, clock.now(), self._spread, shard=shard)
            with self._lock:
                self._held[shard.number] = _Shard(shard, len(due), has_later)
            self.has_later |= has_later
            if due:
                self._read_journal_of(shard)
                self._expect(len(due))
                return due
        return ()

    def _take(self) -> HeldShard | None:
        """Finish the complete shards and take the next one."""
        with self._lock:
            done = {number: one for number, one in self._held.items() if not one.left and not one.has_later}
            shard, is_lost = shards.take_shard(self.claim, self._tried, [one.shard for one in done.values()])
            for number in done:
                del self._held[number]
            if shard is not None:
                self._tried.add(shard.number)
                self._held[shard.number] = _Shard(shard, 1, has_later=False)  # not complete before its locations are known
        if is_lost:
            self.note_lost()
        return shard

    def _read_journal_of(self, shard: HeldShard) -> None:
        """Read the answers to an earlier holder, unless they were read after its lease ran out."""
        if shard.token == 1 and not uses_other_database():
            return
        read_at = self._journal_read_at
        if read_at is None or (shard.lost_at is not None and shard.lost_at > read_at):
            self._read_journal()
            self._journal_read_at = shard.taken_at

    def fences(self, ids: Collection[int]) -> dict[Fence, set[int]]:
        """The rights that results of these locations need, those of their shards: fence → locations."""
        with self._lock:
            held = [self._held[number].shard for number in sorted(self._held)]
        starts = [shard.first_id for shard in held]
        by_shard: list[set[int]] = [set() for _ in held]
        for id_ in ids:
            by_shard[bisect_right(starts, id_) - 1].add(id_)
        rights = (Fence(self.claim.run_id, shard.number, shard.token) for shard in held)
        return {fence: of_shard for fence, of_shard in zip(rights, by_shard, strict=True) if of_shard}

    def note_stored(self, fences: Mapping[Fence, Collection[int]]) -> None:
        """The results of these locations are in the database of the run."""
        with self._lock:
            for fence, ids in fences.items():
                if fence.shard is not None:
                    self._held[fence.shard].left -= len(ids)

    def renew(self, now: datetime) -> bool:
        """Extend the leases of the shards; False when another process has taken one of them."""
        with self._lock:
            return shards.renew_shards(self.claim, [one.shard for one in self._held.values()], now + self.claim.lease)

    def finish(self) -> RunState:
        """Finish the complete shards and give back the others; gives the state of the run."""
        return self.release(Wait())

    def release(self, wait: Wait) -> RunState:
        """Finish the complete shards and give back the others; gives the state of the run."""
        if wait.until is None and self.has_later and not self.lost.is_set():
            wait = wait._replace(until=clock.now() + self._spread / LOOKS_IN_SPREAD)
        with self._lock:
            held = [one.shard for one in self._held.values()]
            state, is_lost = shards.leave_run(self.claim, held, clock.now(), wait)
            self._held.clear()
        if is_lost:
            self.note_lost()
        return state


def hold_of(claim: Claim, settings: Settings, expect: Expect) -> RunHold:
    """The hold on what a process has claimed of a run."""
    return (ShardHold if claim.is_cut else RunHold)(claim, settings, expect)

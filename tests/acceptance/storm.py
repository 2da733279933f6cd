"""A storm of faults over driven days: when what befalls whom, and the collector that goes through it.

With ``METEOROGRAPH_STORM=long`` it lasts thirty days instead of fifteen, with more locations and more faults of each kind.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)


class Size(NamedTuple):
    """How long a storm lasts, and how many faults it has."""

    start: datetime
    days: int
    #: Days after which no fault begins, so that what is missed can be healed by the end, but for what malformed bodies cost.
    days_until_calm: int
    #: Own schedules and the others (``CRON``).
    places: int
    #: Kind of a lasting fault → for how many hours. Each has a day of its own.
    hours: dict[str, int]
    #: The days of the lasting faults; the night on which the clocks go back has one of its own.
    days_of_faults: tuple[int, ...]
    kills: int
    locks: int
    hangs: int
    sleeps: int
    steps: int
    damages: int


LONG: Final = Size(
    start=datetime(2026, 10, 10, tzinfo=UTC),
    days=30,
    days_until_calm=27,
    places=200,
    hours={
        "provider": 12,
        "429": 24,
        "database": 6,
        "journal": 12,
        "off": 9,
        "behind": 3,
        "ahead": 3,
        "asleep": 9,
        "read-only": 6,
    },
    days_of_faults=tuple(day for day in range(1, 26, 2) if day not in (13, 15)),
    kills=14,
    locks=4,
    hangs=3,
    sleeps=6,
    steps=10,
    damages=3,
)
SHORT: Final = Size(
    start=datetime(2026, 10, 18, tzinfo=UTC),
    days=15,
    days_until_calm=12,
    places=80,
    hours={**LONG.hours, "429": 12, "journal": 6},
    days_of_faults=(1, 2, 3, 4, 5, 8, 9, 10, 11),
    kills=10,
    locks=3,
    hangs=2,
    sleeps=3,
    steps=5,
    damages=2,
)
SIZE: Final = LONG if os.environ.get("METEOROGRAPH_STORM") == "long" else SHORT

START: Final = SIZE.start
END: Final = START + SIZE.days * DAY
CALM: Final = START + SIZE.days_until_calm * DAY
#: When the clocks of Athens go back from 4 to 3.
NIGHT: Final = datetime(2026, 10, 25, 1, tzinfo=UTC)
ATHENS: Final = ZoneInfo("Europe/Athens")

#: Own schedule → how many locations have it; all others are due every three hours.
CRON: Final = {"0 * * * * Europe/Athens": 2, "30 3 * * * Europe/Athens": 4, "30 2-4 * * * Europe/Athens": 4}
PLACES: Final = SIZE.places

#: What is done to the clock of the machine [s]: an hour back, fifteen minutes ahead, to 1976, to 2038, and right again.
STEPS: Final = (-3600, 900, -50 * 365 * 86400, 12 * 365 * 86400, 0)

#: Minutes after each third hour at which the collector ticks.
TICKS: Final = (0, 1, 2, 30, 90, 150)

MALFORMED: Final = "; ".join(
    f"kind={kind} provider=openweathermap p={p}"
    for kind, p in (("truncated", 0.004), ("types", 0.003), ("html", 0.002), ("encoding", 0.001))
)


def _call(number: int) -> int:
    """The call of a tick that corresponds to one of a tick of 200 locations."""
    return max(1, number * PLACES // 200)


#: The calls of a tick at which the database goes.
CALLS: Final = tuple(_call(number) for number in (1, 20, 60, 110))


def _last_hour(hours: int) -> int:
    """The hours of a day at which a fault of so many hours may begin: in the short storm it ends before the next one begins."""
    return 24 if SIZE is LONG else max(1, 24 - hours)


def slots_of(schedule: str | None) -> list[datetime]:
    """Every slot from the start to the end, reckoned without the product's own code."""
    if schedule is None:
        return [START + number * 3 * HOUR for number in range(SIZE.days * 8)]
    minute, hours = schedule.split()[:2]
    if hours == "*":
        return [START + number * HOUR for number in range(SIZE.days * 24)]
    first, _, last = hours.partition("-")
    wanted = range(int(first), int(last or first) + 1)
    days = (START.date() + number * DAY for number in range(-1, SIZE.days + 2))
    local = (datetime(day.year, day.month, day.day, hour, int(minute), tzinfo=ATHENS) for day in days for hour in wanted)
    return [slot for slot in (at.astimezone(UTC) for at in local) if START <= slot < END]


@dataclass(frozen=True)
class Spell:
    """A fault that lasts."""

    kind: str
    start: datetime
    end: datetime

    def covers(self, at: datetime) -> bool:
        """Whether it is on."""
        return self.start <= at < self.end


@dataclass
class Storm:
    """What happens when, all from one seed."""

    seed: int
    spells: list[Spell] = field(default_factory=list)
    #: Instant of a tick → the call of it, from 1, at which the collector is killed.
    kills: dict[datetime, int] = field(default_factory=dict)
    #: Instant of a tick → the call of it at which the database goes for the rest of the tick.
    locks: dict[datetime, int] = field(default_factory=dict)
    #: Instant of a tick → the call of it from which another program holds the database for the rest of the tick.
    hangs: dict[datetime, int] = field(default_factory=dict)
    #: Instant of a tick → the call of it at which the collector is suspended for longer than its lease.
    sleeps: dict[datetime, int] = field(default_factory=dict)
    #: Instant of a tick → by how much the clock of the machine is wrong from then on [s].
    steps: dict[datetime, int] = field(default_factory=dict)
    #: Instant of a tick → which files are damaged before it.
    damages: dict[datetime, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        days = chance.sample(SIZE.days_of_faults, len(SIZE.hours))
        for day, (kind, hours) in zip(days, SIZE.hours.items(), strict=True):
            # A clock that goes wrong at midnight would charge calls to another day than the provider does.
            hour = chance.randrange(6, 15) if kind in ("behind", "ahead") else chance.randrange(_last_hour(hours))
            start = START + day * DAY + hour * HOUR
            self.spells.append(Spell(kind, start, start + hours * HOUR))
        self.spells.append(Spell("database", NIGHT - 3 * HOUR, NIGHT + 3 * HOUR))
        slots = [slot for slot in slots_of(None) if DAY <= slot - START and slot < CALM]
        for slot in chance.sample(slots, SIZE.kills):
            minute, call = chance.choice(((0, chance.randint(1, _call(140))), (1, chance.randint(1, _call(50)))))
            self.kills[slot + minute * MINUTE] = call
        for slot in chance.sample(slots, SIZE.locks):
            self.locks[slot] = chance.choice(CALLS)
        quiet = [slot for slot in slots if slot not in self.locks and self._is_well(slot)]
        drawn = iter(chance.sample(quiet, SIZE.hangs + SIZE.sleeps + SIZE.steps + 2 * SIZE.damages))
        self.hangs = {next(drawn): chance.choice(CALLS) for _ in range(SIZE.hangs)}
        self.sleeps = {next(drawn): chance.randint(1, _call(110)) for _ in range(SIZE.sleeps)}
        steps = chance.sample(STEPS, len(STEPS)) * (SIZE.steps // len(STEPS))
        self.steps = {next(drawn): seconds for seconds in steps}
        self.damages = {next(drawn): kind for kind in ("fallback", "journal") for _ in range(SIZE.damages)}

    def _is_well(self, at: datetime) -> bool:
        """Whether nothing waits in the fallback database or in the journal: what is damaged now is needed by nobody."""
        recent = [at - number * 3 * HOUR for number in range(3)]
        return not any(self.has(kind, one) for kind in ("database", "read-only", "journal", "off", "asleep") for one in recent)

    def has(self, kind: str, at: datetime) -> bool:
        """Whether a fault of a kind is on."""
        return any(spell.kind == kind and spell.covers(at) for spell in self.spells)

    def clock(self, at: datetime) -> datetime:
        """What the collector's clock shows."""
        return at - HOUR if self.has("behind", at) else at + HOUR if self.has("ahead", at) else at

    def faults(self) -> str:
        """The provider's, in the simulator's grammar."""
        named = {"provider": "kind=status code=503", "429": "kind=status code=429"}
        lasting = [
            f"{named[spell.kind]} provider=openweathermap since={spell.start:%Y-%m-%dT%H:%MZ} until={spell.end:%Y-%m-%dT%H:%MZ}"
            for spell in self.spells
            if spell.kind in named
        ]
        return "; ".join([*lasting, MALFORMED])

    def ticks(self) -> Iterator[datetime]:
        """When the collector ticks."""
        for number in range(SIZE.days * 8):
            for minute in TICKS:
                yield START + number * 3 * HOUR + minute * MINUTE


class Collector:
    """The process that collects; started anew when it was killed."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        self._log = log
        self._environment = environment
        self._child: subprocess.Popen[str] | None = None
        self.starts = 0

    def tick(self, at: datetime) -> bool:
        """Let it tick, and wait for the end of it; False when it was killed meanwhile."""
        child = self._started()
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(f"{at.isoformat()}\n")
        child.stdin.flush()
        answer = child.stdout.readline()
        if answer == "done\n":
            return True
        assert self._forgotten() == -signal.SIGKILL, f"it ended by itself: see {self._log}"
        return False

    def kill(self) -> None:
        """SIGKILL, if it runs."""
        if self._child is not None:
            self._child.kill()

    def suspend(self) -> None:
        """SIGSTOP, if it runs."""
        if self._child is not None:
            self._child.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT, if it runs."""
        if self._child is not None:
            self._child.send_signal(signal.SIGCONT)

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._child is not None

    def end(self) -> None:
        """SIGKILL, and be sure that it has ended."""
        if self._child is not None:
            self._child.kill()
            self._forgotten()

    def _forgotten(self) -> int:
        child, self._child = self._child, None
        assert child is not None
        with child:  # closes its pipes
            return child.wait(60)

    def _started(self) -> subprocess.Popen[str]:
        if self._child is None:
            self.starts += 1
            with self._log.open("ab") as log:
                self._child = subprocess.Popen(
                    [sys.executable, "-m", "acceptance.storm_child"],
                    env={**os.environ, **self._environment, "PYTHONPATH": os.pathsep.join(sys.path)},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
            assert self._child.stdout is not None
            assert self._child.stdout.readline() == "ready\n", f"it did not start: see {self._log}"
        return self._child

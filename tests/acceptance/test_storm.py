"""Fifteen driven days through a storm of faults: no slot is lost without a reason, and no value is untrue.

It tells what it came to. ``METEOROGRAPH_STORM_SEED`` picks another storm, ``METEOROGRAPH_STORM=long`` one of thirty days with 200
locations, ``METEOROGRAPH_STORM_DATABASE=postgresql`` the other database.
"""

from __future__ import annotations

import itertools
import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from acceptance.holds import away, held
from acceptance.storm import CRON, HOUR, LONG, MINUTE, PLACES, SIZE, START, STEPS, Collector, Storm
from acceptance.storm_books import Books, answered_live, books, untrue, used
from acceptance.storm_faults import RealClock, damage, database_gone, database_read_only, journal_full, suspended
from meteorograph import get_db_session, init_db
from meteorograph.errors import StoreError
from meteorograph.journal import reader
from meteorograph.ledger import audit
from meteorograph.ledger.claims import due_schedules
from meteorograph.model.schedule import Interval
from meteorograph.simulator import Simulator
from meteorograph.storage import connections, engine
from meteorograph.storage.models import Location, Run
from support import KEY

SEED = int(os.environ.get("METEOROGRAPH_STORM_SEED", "4"))
#: In the last days of October the calls of the month are used up.
PER_MONTH = 31_500 if SIZE is LONG else 7_300
LIMITS = {
    ("openweathermap", "minute"): PLACES * 3 // 4,
    ("openweathermap", "month"): PER_MONTH,
    ("open-meteo", "day"): PLACES * 3 // 4,
}


@pytest.mark.parametrize("empty_database", [os.environ.get("METEOROGRAPH_STORM_DATABASE", "sqlite")], indirect=True)
def test_every_slot_is_accounted_for_after_a_storm(
    empty_database: str, tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    print(f"seed {SEED}")  # noqa: T201  # for the report of a failure
    storm = Storm(SEED)
    with Weather(storm, empty_database, tmp_path, library) as weather:
        for name, value in {
            "OWM_API_KEY": KEY,
            "METEOROGRAPH_INTERVAL": "3h",
            "METEOROGRAPH_BACKFILL_PROVIDERS": "open-meteo",
            "METEOROGRAPH_OWM_BASE_URL": weather.simulator.url,
            "METEOROGRAPH_OPEN_METEO_BASE_URL": weather.simulator.url,
            "METEOROGRAPH_OPEN_METEO_ARCHIVE_BASE_URL": weather.simulator.url,
            "METEOROGRAPH_OWM_CALLS_PER_MINUTE": str(LIMITS["openweathermap", "minute"]),
            "METEOROGRAPH_OWM_CALLS_PER_MONTH": str(LIMITS["openweathermap", "month"]),
            "METEOROGRAPH_OPEN_METEO_CALLS_PER_DAY": str(LIMITS["open-meteo", "day"]),
            "METEOROGRAPH_JOURNAL_DIR": str(tmp_path / "journal"),
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 0.3)
        monkeypatch.setattr(connections, "LOCK_TIMEOUT_SECONDS", 0.3)
        _add_places()
        weather.pass_by()
        kept = books()
        with capsys.disabled():
            _tell(kept, weather)
        _assert_befallen(kept, weather)
        _assert_accounted(kept, weather)
        _assert_no_key(tmp_path)


def _add_places() -> None:
    init_db()
    schedules = [schedule for schedule, many in CRON.items() for _ in range(many)]
    with get_db_session() as session:
        for number in range(PLACES):
            where = {"latitude": number / 2 - 50, "longitude": (number * 7) % 360 - 180}
            schedule = schedules[number] if number < len(schedules) else None
            session.add(Location(name=f"place {number:03}", state="active", created_at=START, schedule=schedule, **where))


class Weather:
    """The providers, the disk and the database, and what befalls them, tick by tick."""

    def __init__(self, storm: Storm, database: str, folder: Path, library: Path) -> None:
        self.storm = storm
        #: The ticks in which the collector was killed.
        self.killed: set[datetime] = set()
        #: What the collector's clock showed at a true instant, and the other way round.
        self.shown: dict[datetime, datetime] = {}
        self.true: dict[datetime, datetime] = {}
        self._database = database
        self._folder = folder
        self._now = START
        self._calls_of_tick = itertools.count(1)
        self._at_call: dict[int, Callable[[], object]] = {}
        self._chance = random.Random(storm.seed)
        self._clock = RealClock(library, folder)
        self._read_only = folder / "read-only"
        #: How often each kind of fault did happen.
        self.befallen = Counter[str]()
        #: Ticks after which the audit found every slot accounted for.
        self.audits = 0
        environment = {**self._clock.environment, "METEOROGRAPH_STORM_READ_ONLY": str(self._read_only)}
        self.collector = Collector(folder / "collector.log", environment)
        self.simulator = Simulator(now=self._called, seed=storm.seed, keys=(KEY,), faults=storm.faults())

    def __enter__(self) -> Weather:
        self.simulator.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.collector.end()
        self.simulator.stop()

    def _called(self) -> datetime:
        """The simulator's clock, which it asks at each call."""
        if act := self._at_call.get(next(self._calls_of_tick)):
            act()
        return self._now

    def pass_by(self) -> None:
        """All of it."""
        outages: dict[str, ExitStack] = {}
        beginnings: dict[str, Callable[[], AbstractContextManager[None]]] = {
            "database": lambda: database_gone(self._database, self.collector, self._folder),
            "read-only": lambda: database_read_only(self._database, self._read_only),
            "journal": lambda: journal_full(self._folder / "journal"),
            "asleep": lambda: suspended(self.collector),
        }
        for number, at in enumerate(self.storm.ticks()):
            for kind, begin in beginnings.items():
                if self.storm.has(kind, at) and kind not in outages:
                    outages[kind] = ExitStack()
                    outages[kind].enter_context(begin())
                    self.befallen[kind] += 1
                elif not self.storm.has(kind, at) and kind in outages:
                    outages.pop(kind).close()
            if self.storm.has("off", at):
                self.befallen["off"] += self.collector.is_running
                self.collector.end()
            elif not self.storm.has("asleep", at):
                self._tick(at, timedelta(microseconds=number))

    def _tick(self, at: datetime, unlike_others: timedelta) -> None:
        shown = self.storm.clock(at) + unlike_others
        self._now, self._calls_of_tick, self._at_call = at, itertools.count(1), {}
        self.shown[at], self.true[shown] = shown, at
        self.befallen.update(wrong for wrong in ("behind", "ahead") if self.storm.has(wrong, at))
        if (seconds := self.storm.steps.get(at)) is not None:
            self._clock.step(seconds)
            self.befallen[f"step of {seconds} s"] += 1
        if (kind := self.storm.damages.get(at)) is not None:
            self.befallen[f"damage of the {kind}"] += damage(kind, self._folder / "journal", self._chance)
        with ExitStack() as outage:
            if (call := self.storm.kills.get(at)) is not None:
                self._at_call[call] = self._noted("kill", self.collector.kill)
            if (call := self.storm.locks.get(at)) is not None and not self.storm.has("database", at):
                self._at_call[call] = self._noted("lock", lambda: outage.enter_context(away(self._database)))
            if (call := self.storm.hangs.get(at)) is not None:
                self._at_call[call] = self._noted("hang", lambda: outage.enter_context(held(self._database)))
            if (call := self.storm.sleeps.get(at)) is not None:
                self._at_call[call] = self._noted("sleep", self._suspend)
            if not self.collector.tick(shown):
                self.killed.add(at)
                return
        if self._must_audit(at):
            self._audit(shown)

    def _noted(self, kind: str, act: Callable[[], object]) -> Callable[[], object]:
        def noted() -> None:
            self.befallen[kind] += 1
            act()

        return noted

    def _must_audit(self, at: datetime) -> bool:
        """After each fault, and every three hours, if the tick had its database."""
        storm = self.storm
        if at in storm.locks or at in storm.hangs or storm.has("database", at) or storm.has("read-only", at):
            return False
        slot = START + (at - START) // (3 * HOUR) * 3 * HOUR
        return at - slot == 2 * MINUTE or slot in {*storm.locks, *storm.hangs, *storm.sleeps, *storm.damages, *self.killed}

    def _suspend(self) -> None:
        """The collector stands still until the lease of its run has expired."""
        self.collector.suspend()
        with suppress(StoreError), get_db_session() as session:  # it may have been suspended while it writes
            session.query(Run).filter(Run.state == "running").update({"lease_expires_at": START})
        self.collector.resume()

    def _audit(self, shown: datetime) -> None:
        """Every slot has a row, a reason or an open run."""
        findings = audit.audit(shown, due_schedules(Interval(3 * HOUR)), since=shown - 12 * HOUR, repair=False)
        assert findings == [], shown
        self.audits += 1


def _tell(kept: Books, weather: Weather) -> None:
    counts = kept.by_rows().values()
    missed = Counter(kept.missed.values())
    calls = weather.simulator.calls()
    lines = [
        ("seed", weather.storm.seed),
        ("slots", len(kept.slots())),
        ("stored live", sum(one.live for one in counts)),
        ("backfilled", sum(one.backfilled for one in counts)),
        *((f"missed: {reason}", many) for reason, many in sorted(missed.items())),
        ("calls of OpenWeatherMap", weather.simulator.count("openweathermap")),
        ("calls without a sound answer", len(calls) - len(weather.simulator.calls_without_fault())),
        *(
            (f"most in a {window}, {provider} (of {limit})", used(calls, provider, window))
            for (provider, window), limit in LIMITS.items()
        ),
        ("calls of Open-Meteo", weather.simulator.charged_calls("open-meteo")),
        ("kills within a tick", len(weather.killed)),
        (
            "sound answers lost with a killed process",
            len(answered_live(kept, weather.simulator.calls_without_fault(), weather.shown) - kept.of_origin("live")),
        ),
        ("starts of the collector", weather.collector.starts),
        ("calls that the runs tell", kept.calls),
        ("audits without a finding", weather.audits),
        *sorted(weather.befallen.items()),
        *((f"answers: {kind}", many) for kind, many in sorted(weather.simulator.fault_counts().items())),
    ]
    print("\n" + "\n".join(f"{name:45}{value:>10,}" for name, value in lines))  # noqa: T201  # it is what the test is for
    for spell in sorted(weather.storm.spells, key=lambda one: one.start):
        print(f"{spell.kind:10} {spell.start:%m-%d %H:%M} {spell.end:%m-%d %H:%M}")  # noqa: T201


def _assert_befallen(kept: Books, weather: Weather) -> None:
    """Each kind of fault did happen, and the calls of the month were used up."""
    kinds = [kind for kind in SIZE.hours if kind not in ("provider", "429")]
    kinds += ["kill", "lock", "hang", "sleep", "damage of the fallback", "damage of the journal"]
    kinds += [f"step of {seconds} s" for seconds in STEPS]
    assert [kind for kind in kinds if not weather.befallen[kind]] == []
    assert weather.killed
    assert set(weather.simulator.fault_counts()) >= {"status", "truncated", "types", "html", "encoding"}
    assert used(weather.simulator.calls(), "openweathermap", "month") > 0.95 * PER_MONTH
    assert kept.of_origin("backfill")


def _assert_accounted(kept: Books, weather: Weather) -> None:
    stored, missed, slots = set(kept.rows), set(kept.missed), kept.slots()
    assert [(run.schedule, run.due_at, run.state) for run in kept.open_runs] == []
    assert sorted(stored & missed) == []
    assert sorted(slots - stored - missed) == []
    assert sorted((stored | missed) - slots) == []
    assert kept.by_ledger == kept.by_rows()
    live, sound = kept.of_origin("live"), weather.simulator.calls_without_fault()
    # An answer on its way to a process that is killed is lost; the slot is asked for again, and may be unlucky then.
    heard = answered_live(kept, [call for call in sound if call.at not in weather.killed], weather.shown)
    assert sorted(heard - live) == []
    assert sorted(live - answered_live(kept, sound, weather.shown)) == []
    assert _sure_calls(weather) <= kept.calls <= weather.simulator.count("openweathermap")
    assert untrue(kept, weather.simulator, weather.true)[:3] == []
    calls = weather.simulator.calls()
    assert {
        (whose, window): used(calls, whose, window)
        for whose, window in LIMITS
        if used(calls, whose, window) > LIMITS[whose, window]
    } == {}


def _sure_calls(weather: Weather) -> int:
    """The calls but those of ticks in which the collector was killed, or lost its database and may have been killed later."""
    unsure = weather.killed | weather.storm.locks.keys() | weather.storm.hangs.keys()
    return sum(call.provider == "openweathermap" and call.at not in unsure for call in weather.simulator.calls())


def _assert_no_key(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    entries = [repr(one) for path in (folder / "journal").glob("*.journal") for one in reader.read_file(path)]
    assert len(entries) > 0.64 * PER_MONTH
    assert not any(KEY in one for one in entries)

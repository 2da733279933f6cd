"""The thread that evaluates rules and sends messages, in each process with a scheduler. Collecting never waits for it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..collecting.process_memory import PROCESS_MEMORY
from ..config.loading import get_settings
from ..config.settings import Settings
from ..errors import MeteorographError, StoreError
from ..log_output import get_logger
from ..log_repeats import error_once
from ..model import clock
from ..model.states import AlertKind
from ..storage.database_errors import error_text
from ..storage.engine import get_db_session, init_db
from ..storage.leases import renew_lease, take_lease
from ..storage.models import AlertRule
from . import deliveries, evaluation, signals
from .looks import CLOCKLESS, find_all
from .places import PlaceReader
from .rules import Rule, list_rules
from .run_messages import put_run_messages
from .sending import send_safely

log = get_logger(__name__)

#: How often to look at least [s], and how long after a run has ended, which may be soon after another one.
LOOK_SECONDS: Final = 10.0
_LOOK_AGAIN_SECONDS: Final = 2.0

#: Name of the lease of the process that evaluates the rules.
_LEASE: Final = "alerts"

#: How often a process stores what it knows of its host [s].
_SIGNAL_SECONDS: Final = 30.0

#: How often sums of precipitation are computed; the other rules are evaluated at each look.
_EVALUATE_RAIN_EVERY: Final = timedelta(minutes=2)

#: How much longer than an evaluation the pause after it is: with 10,000 places one takes seconds.
_LEISURE: Final = 9.0

#: How often old deliveries are deleted [s].
_TIDY_SECONDS: Final = 3600.0

#: How long a stop waits for the messages in progress [s].
_STOP_SECONDS: Final = 3.0


def evaluate_rules(settings: Settings, now: datetime) -> None:
    """Evaluate the rules. A rule that cannot be evaluated leaves the others alone.

    Raises:
        StoreError: The database cannot be reached.
    """
    is_trusted = PROCESS_MEMORY.clock_check.is_trusted
    with get_db_session(read_only=True) as session:
        rules = [rule for rule in list_rules(session) if (is_trusted or rule.kind in CLOCKLESS) and _is_due(rule, now)]
    if not rules:
        return
    with get_db_session(read_only=True) as session:  # all of them see the same rows
        reader = PlaceReader(session, now)
        failures = {rule.id: _evaluate(settings, rule, reader) for rule in rules}
    evaluation.record_evaluations(failures, now)


def _is_due(rule: Rule, now: datetime) -> bool:
    """Whether a rule is to be evaluated: sums of precipitation take long. An instant ahead is of a clock that was wrong."""
    every = _EVALUATE_RAIN_EVERY if rule.kind == AlertKind.RAIN else timedelta(0)
    return rule.evaluated_at is None or not timedelta(0) <= now - rule.evaluated_at < every


def _evaluate(settings: Settings, rule: Rule, reader: PlaceReader) -> str | None:
    """Evaluate a rule; gives why this failed, in full or for one of its locations."""
    try:
        subjects = evaluation.read_subjects(reader.session, rule.id)
        findings = find_all(reader, settings, rule, subjects)
        evaluation.apply_findings(settings, rule, subjects, findings, reader.now)
        return reader.fault_of(rule)  # the locations that are left are watched nevertheless
    except StoreError:
        raise
    except Exception as error:  # a fault in one rule must not silence the others
        reader.session.rollback()  # after an error of the database the session answers nothing else
        reason = str(error) if isinstance(error, MeteorographError) else f"unexpected {type(error).__name__}"
        error_once(log, "a rule could not be evaluated", (rule.name, reason), rule=rule.name, reason=error_text(error))
        return reason


def _has_rules(session: Session) -> bool:
    return session.scalar(select(AlertRule.id).limit(1)) is not None


def _has_local_rules(session: Session) -> bool:
    """Whether a rule needs what each process knows of its host."""
    kinds = (AlertKind.DISK, AlertKind.CLOCK, AlertKind.AUDIT_HOLE)
    return session.scalar(select(AlertRule.id).where(AlertRule.kind.in_(kinds)).limit(1)) is not None


@dataclass(slots=True)
class AlertService:
    """Looks at the rules, and sends what waits with a thread for each channel, so that none waits for another one."""

    _thread: threading.Thread | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    #: Set to look soon.
    _wake: threading.Event = field(default_factory=threading.Event)
    _senders: dict[str, threading.Thread] = field(default_factory=dict)
    #: Monotonic time at which old deliveries were deleted.
    _tidied: float | None = None
    #: Monotonic time before which this process does not evaluate again.
    _evaluates_at: float = 0.0
    #: Monotonic time at which signals were stored last, and their states.
    _signalled: tuple[float, object] = (0.0, None)

    def start(self) -> None:
        """Start to look, unless this process looks already."""
        if self._thread is None or not self._thread.is_alive():
            self.reset()
            self._thread = threading.Thread(target=self._loop, args=(self._stop,), name="meteorograph-alerts", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop. A message in progress that does not end soon is sent again by another process, or after the next start."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stop.set()
        self._wake.set()
        deadline = time.monotonic() + _STOP_SECONDS
        for one in (thread, *self._senders.values()):
            one.join(max(0.0, deadline - time.monotonic()))

    def look_soon(self) -> None:
        """Look at the rules soon: something was stored."""
        self._wake.set()

    def reset(self) -> None:
        """Forget all threads: they do not survive a fork."""
        self._thread, self._stop, self._wake, self._senders = None, threading.Event(), threading.Event(), {}
        self._tidied, self._signalled, self._evaluates_at = None, (0.0, None), 0.0

    def _loop(self, stop: threading.Event) -> None:
        wake = self._wake
        while not stop.wait(_LOOK_AGAIN_SECONDS):  # at first too: a server forks its workers meanwhile
            wake.clear()
            try:
                self._look(stop)
            except StoreError as error:
                error_once(log, "alerts wait for the database", (), reason=str(error))
            except Exception as error:
                error_once(log, "alerts could not be looked at", (error_text(error),), reason=error_text(error))
            wake.wait(LOOK_SECONDS - _LOOK_AGAIN_SECONDS)

    def _look(self, stop: threading.Event) -> None:
        init_db()
        settings, now = get_settings(), clock.now()
        with get_db_session(read_only=True) as session:
            has_rules, needs_signals = _has_rules(session), _has_local_rules(session)
        if needs_signals:
            self._record_signals(settings, now)
        began = time.monotonic()
        if has_rules and began >= self._evaluates_at and (renew_lease(_LEASE, now) or take_lease(_LEASE, now)):
            evaluate_rules(settings, now)  # of several processes, one does this
            self._evaluates_at = time.monotonic() + _LEISURE * (time.monotonic() - began)
        put_run_messages(settings, now)
        self._send(settings, stop)
        if self._tidied is None or time.monotonic() - self._tidied > _TIDY_SECONDS:
            self._tidied = time.monotonic()
            with get_db_session() as session:
                deliveries.delete_old(session, now)

    def _record_signals(self, settings: Settings, now: datetime) -> None:
        """Store the signals of this process, at once if the clock or the audit has become another one."""
        found = list(signals.own_signals(settings))
        states = {(one.kind, one.subject, bool(one.value)) for one in found if one.kind != AlertKind.DISK}
        at, before = self._signalled
        if states == before and time.monotonic() - at < _SIGNAL_SECONDS:
            return
        with get_db_session() as session:
            signals.record_signals(session, found, now)
        self._signalled = time.monotonic(), states

    def _send(self, settings: Settings, stop: threading.Event) -> None:
        """Start a thread for each channel with messages, unless it has one."""
        with get_db_session(read_only=True) as session:
            waiting = deliveries.waiting_channels(session)
        for channel in waiting:
            sender = self._senders.get(channel)
            if sender is None or not sender.is_alive():
                name = f"meteorograph-alerts {channel}"
                self._senders[channel] = threading.Thread(
                    target=send_safely, args=(settings, channel, stop), name=name, daemon=True
                )
                self._senders[channel].start()


#: The service of this process.
ALERTS: Final = AlertService()

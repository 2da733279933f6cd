"""Run the registered jobs of this process: a thread that looks at what is due, and a thread for each run."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from structlog.contextvars import bound_contextvars

from ..config.loading import get_settings
from ..errors import StoreError
from ..log_output import get_logger
from ..model import clock
from ..redaction import redact
from ..storage.engine import init_db
from . import claims
from .claims import JobClaim
from .registry import JOBS, Job

log = get_logger(__name__)

#: Time for a server to fork its workers before a job runs in the parent process [s], as for collection.
_FIRST_LOOK_SECONDS: Final = 1.0

#: How often to renew leases and to look for what other processes left, and how often to record which jobs there are [s].
_LOOK_SECONDS: Final = 10.0
_RECORD_SECONDS: Final = 60.0

#: Pause after a look that failed, as without the database [s].
_FAILURE_PAUSE_SECONDS: Final = 5.0

#: Longest wait: a job may be registered at any time [s].
_WAIT_SECONDS: Final = 1.0

#: Pause before the second attempt; it doubles with each attempt, up to the longest one.
_RETRY_PAUSE: Final = timedelta(seconds=10)
_LONGEST_RETRY_PAUSE: Final = timedelta(minutes=10)

#: How long a stop waits for the runs in progress [s].
STOP_SECONDS: Final = 5.0

#: Longest text of an error that is stored [characters].
_MAX_ERROR: Final = 500


@dataclass(slots=True)
class _Run:
    """A run in progress in this process."""

    claim: JobClaim
    #: Monotonic time of its start.
    began: float
    has_timed_out: bool = False
    is_over: bool = False
    error: str | None = None


@dataclass(slots=True)
class JobRunner:
    """Looks at what is due, and runs it."""

    _thread: threading.Thread | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    #: Set to look at once.
    _wake: threading.Event = field(default_factory=threading.Event)
    _runs: list[_Run] = field(default_factory=list)
    #: Job → its newest slot that was looked at.
    _slots: dict[str, datetime | None] = field(default_factory=dict)
    #: Monotonic times: of the last look and record, and since when the database has answered.
    _looked: float | None = None
    _recorded: float | None = None
    _answers_since: float | None = None
    _logged_failure: str = ""

    def start(self) -> None:
        """Start to look, unless this process looks already."""
        if self._thread is None or not self._thread.is_alive():
            self.reset()
            self._thread = threading.Thread(target=self._loop, args=(self._stop,), name="meteorograph-jobs", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop: wait some seconds for the runs in progress, and then give them back or record that they were interrupted."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stop.set()
        self._wake.set()
        thread.join()
        deadline = time.monotonic() + STOP_SECONDS
        while any(not run.is_over for run in self._runs) and time.monotonic() < deadline:
            self._wake.wait(deadline - time.monotonic())
            self._wake.clear()
        try:
            self._record_ends()
            for run in self._runs:
                _interrupt(run)
        except Exception as error:
            log.warning("the runs of jobs in progress could not be given back", reason=str(error))
        self._runs.clear()

    def reset(self) -> None:
        """Forget all runs: threads do not survive a fork."""
        self._thread, self._stop, self._wake = None, threading.Event(), threading.Event()
        self._runs, self._slots = [], {}
        self._looked = self._recorded = self._answers_since = None

    def _loop(self, stop: threading.Event) -> None:
        if stop.wait(_FIRST_LOOK_SECONDS):
            return
        while not stop.is_set():
            self._wake.clear()
            try:
                if JOBS or self._runs:
                    self._look()
                pause = self._seconds_to_next(clock.now())
            except Exception as error:
                self._answers_since, pause = None, _FAILURE_PAUSE_SECONDS
                self._log_failure(error)
            self._wake.wait(pause)

    def _log_failure(self, error: Exception) -> None:
        """Log a failure once, and not at every look."""
        if repr(error) != self._logged_failure:
            self._logged_failure = repr(error)
            log.error(
                "no job can run, trying again", exc_info=None if isinstance(error, StoreError) else error, reason=str(error)
            )

    def _look(self) -> None:
        now, at = clock.now(), time.monotonic()
        slots = {name: job.when.slot_at(now) for name, job in JOBS.items()}
        has_ended = any(run.is_over for run in self._runs)
        self._time_out(now, at)
        is_due = self._looked is None or self._answers_since is None or at - self._looked >= _LOOK_SECONDS
        if not (is_due or has_ended or slots != self._slots):
            return
        init_db()
        self._record_ends()
        for run in list(self._runs):
            if not run.is_over and not claims.renew(run.claim, now):
                log.error("the run of a job was ended by another process while it ran here", **_fields(run.claim))
                self._runs.remove(run)
        if self._recorded is None or at - self._recorded >= _RECORD_SECONDS or slots.keys() != self._slots.keys():
            claims.record_jobs(JOBS.values(), now)
            self._recorded = at
        if self._answers_since is None:
            self._answers_since, self._logged_failure = at, ""
        closes_dead = at - self._answers_since > claims.LEASE_LENGTH.total_seconds()
        for job in list(JOBS.values()):
            self._claim(job, now, closes_dead=closes_dead)
        self._looked, self._slots = at, slots

    def _claim(self, job: Job, now: datetime, *, closes_dead: bool) -> None:
        """Claim and start what is due of a job, if a thread is free for it; other processes may have one."""
        if len(self._runs) >= get_settings().job_threads or any(run.claim.job.name == job.name for run in self._runs):
            return
        claim = claims.claim(job, now, closes_dead=closes_dead)
        if claim is None:
            return
        run = _Run(claim, time.monotonic())
        self._runs.append(run)
        threading.Thread(target=_execute, args=(run, self._wake), name=f"job {job.name}", daemon=True).start()

    def _record_ends(self) -> None:
        """Record the runs that are over. Where the database is away, the next look does it."""
        for run in [run for run in self._runs if run.is_over]:
            if run.has_timed_out:
                claims.let_go(run.claim)
            else:
                now = clock.now()
                claims.finish(run.claim, now, run.error, None if run.error is None else _retry_at(run.claim, now))
            self._runs.remove(run)

    def _time_out(self, now: datetime, at: float) -> None:
        for run in self._runs:
            timeout = run.claim.job.timeout
            if timeout is None or run.is_over or run.has_timed_out or at - run.began < timeout.total_seconds():
                continue
            error = f"timed out after {timeout.total_seconds():g} s"
            claims.time_out(run.claim, now, error)
            run.has_timed_out = True
            log.error("a job timed out; its thread cannot be ended, and the job starts again after it", **_fields(run.claim))

    def _seconds_to_next(self, now: datetime) -> float:
        """How long to wait until a slot is due or a run times out."""
        dues = [due for job in JOBS.values() if (due := job.when.next_after(now)) is not None]
        waits = [(due - now).total_seconds() for due in dues]
        at = time.monotonic()
        for run in self._runs:
            if run.claim.job.timeout is not None and not run.has_timed_out:
                waits.append(run.began + run.claim.job.timeout.total_seconds() - at)
        return max(0.0, min([_WAIT_SECONDS, *waits]))


def _execute(run: _Run, wake: threading.Event) -> None:
    """Call the function of a job, in a thread of its own."""
    claim = run.claim
    with bound_contextvars(job=claim.job.name, run_id=f"job-{claim.run_id}"):
        log.info("job started", due_at=claim.due_at.isoformat(), attempt=claim.attempts)
        try:
            claim.job.function()
        except BaseException as error:  # also SystemExit: the run has failed, and the service goes on
            run.error = redact(" ".join(f"{type(error).__name__}: {error}".split()))[:_MAX_ERROR]
            log.exception("job failed", due_at=claim.due_at.isoformat(), attempt=claim.attempts)
        else:
            log.info("job ended", due_at=claim.due_at.isoformat(), seconds=round(time.monotonic() - run.began, 1))
    run.is_over = True
    wake.set()


def _retry_at(claim: JobClaim, now: datetime) -> datetime | None:
    """When a failed run is tried again; None if it is not."""
    at = now + min(_RETRY_PAUSE * 2 ** (claim.attempts - 1), _LONGEST_RETRY_PAUSE)
    return at if claim.attempts <= claim.job.retries and at < claim.ends_at else None


def _interrupt(run: _Run) -> None:
    """Give back the run of an idempotent job, or record that it was interrupted. Its thread ends with the process."""
    claim, now = run.claim, clock.now()
    if run.has_timed_out:
        claims.let_go(claim)
        return
    runs_again = claim.job.is_idempotent and now < claim.ends_at
    log.warning("a job was interrupted by the stop of its process", **_fields(claim), runs_again=runs_again)
    claims.finish(claim, now, "its process was stopped", now if runs_again else None)


def _fields(claim: JobClaim) -> dict[str, str]:
    return {"job": claim.job.name, "run_id": f"job-{claim.run_id}", "due_at": claim.due_at.isoformat()}


#: The runner of this process.
RUNNER: Final = JobRunner()

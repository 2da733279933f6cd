"""Works on background tasks in a thread of its own, one at a time."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Final

from ..config.loading import get_settings
from ..errors import MeteorographError, StoreError
from ..log_output import get_logger
from ..model import clock
from ..redaction import redact
from ..storage.database_errors import error_text
from ..storage.engine import get_db_session
from . import tasks
from .hold import Hold
from .kinds import WORKS, TaskStoppedError
from .tasks import TaskClaim

log = get_logger(__name__)

#: How long a stop waits for the task at hand, which ends early and is given back [s].
_STOP_SECONDS: Final = 8.0

#: After the database was away, another attempt follows in this time.
_DATABASE_WAIT: Final = timedelta(minutes=1)


def work(stop: threading.Event) -> None:
    """Work on the tasks that this process may take, until there is none or the process stops; never raises, but logs."""
    try:
        while not stop.is_set() and (claim := tasks.take_task()) is not None:
            _work_on(claim, stop)
    except Exception as error:  # the task is taken again when its lease has expired
        log.exception("background tasks are interrupted", reason=error_text(error))


def _work_on(claim: TaskClaim, stop: threading.Event) -> None:
    fields = {"task": claim.id, "kind": claim.kind}
    log.info("task started", **fields, attempt=claim.token)
    wait, error, is_away = None, None, False
    with Hold(claim, stop) as hold:
        try:
            wait = WORKS[claim.kind](get_settings(), hold)
        except TaskStoppedError:
            pass
        except StoreError as failure:
            is_away, error = True, str(failure)
        except (MeteorographError, OSError) as failure:
            error = redact(str(failure)) or type(failure).__name__
        except Exception as failure:
            log.exception("task failed", **fields)
            error = f"unexpected {type(failure).__name__}"
    if hold.is_lost:
        log.info("task lost or cancelled", **fields)
    elif is_away:
        log.warning("task interrupted, the database is away", **fields, reason=error)
        tasks.give_back(claim, error, clock.now() + _DATABASE_WAIT)
    elif error is not None:
        log.error("task failed", **fields, reason=error)
        tasks.finish(claim, error)
    elif hold.stop.is_set():
        log.info("task given back", **fields)
        tasks.give_back(claim)
    elif wait is not None:
        log.info("task waits", **fields, until=wait.until.isoformat(), reason=wait.reason)
        tasks.give_back(claim, wait.reason, wait.until)
    else:
        log.info("task ended", **fields)
        tasks.finish(claim)


class TaskRunner:
    """The thread of this process that works on tasks. Thread-safe."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the thread of the parent process, which does not survive a fork."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def look(self, stop: threading.Event) -> None:
        """Begin to work if there is a task, unless this process does already."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            with get_db_session(read_only=True) as session:
                if not tasks.has_free_task(session):
                    return
            self._thread = threading.Thread(target=work, args=(stop,), name="background tasks", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Wait until the task at hand is given back; the event of ``look`` is set."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(_STOP_SECONDS)


#: The thread of this process.
TASKS: Final = TaskRunner()

"""Register jobs: ``meteorograph.job``, as a decorator or as a call."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar, overload

from ..errors import ConfigurationError
from ..model import schedule as schedules
from ..model.schedule import Schedule
from ..model.time_range import DURATION_ALLOWED, parse_duration

F = TypeVar("F", bound=Callable[[], object])

#: A length of time: seconds, a ``timedelta``, or a text such as ``10m``.
Duration = timedelta | float | str

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

#: Longest text of a schedule [characters].
_MAX_SCHEDULE: Final = 100

#: Most attempts after the first one.
_MAX_RETRIES: Final = 100


@dataclass(frozen=True, slots=True)
class Job:
    """A registered job."""

    name: str
    #: The text of the schedule.
    schedule: str
    when: Schedule
    function: Callable[[], object]
    #: How long after its slot a run may start; None for the time to the next slot, at most an hour.
    grace: timedelta | None
    #: Attempts after a failed first one.
    retries: int
    timeout: timedelta | None
    #: Whether another process may run a slot again whose process died.
    is_idempotent: bool

    def ends_at(self, slot: datetime) -> datetime:
        """Until when a run of the slot may start."""
        if self.grace is not None:
            return slot + self.grace
        return min(self.when.next_after(slot) or slot + schedules.GRACE, slot + schedules.GRACE)


#: The jobs of this process, by name.
JOBS: Final[dict[str, Job]] = {}


@overload
def job(
    name: str,
    schedule: str,
    function: None = None,
    *,
    grace: Duration | None = None,
    retries: int = 0,
    timeout: Duration | None = None,
    idempotent: bool = False,
) -> Callable[[F], F]: ...


@overload
def job(
    name: str,
    schedule: str,
    function: F,
    *,
    grace: Duration | None = None,
    retries: int = 0,
    timeout: Duration | None = None,
    idempotent: bool = False,
) -> F: ...


def job(
    name: str,
    schedule: str,
    function: Any = None,
    *,
    grace: Duration | None = None,
    retries: int = 0,
    timeout: Duration | None = None,
    idempotent: bool = False,
) -> Any:
    """Register a function that runs once for each slot of a schedule, over all processes and hosts on one database.

    Without ``function`` it is a decorator. A job that is registered again under its name replaces itself.

    Args:
        name: Name of the job, in the database, in logs and in metrics.
        schedule: An interval such as ``15m``, or a cron expression with a time zone, as for locations.
        function: What to run; it is called without arguments, in a thread.
        grace: How long after its slot a run may start [s, ``timedelta`` or text]; by default the time to the next slot, at most
            an hour. Of several slots within the grace, only the newest one runs.
        retries: How often to try again within the grace when the function raises.
        timeout: After this time the run has failed [s, ``timedelta`` or text]. Its thread cannot be ended.
        idempotent: Whether another process may run the function again when its process dies during a run.

    Raises:
        ConfigurationError: An argument is invalid, or another function has the name.
    """

    def register(function: F) -> F:
        _register(
            Job(
                _checked_name(name),
                schedule,
                _checked_schedule(schedule),
                _checked_function(function),
                _checked_duration("grace", grace),
                _checked_retries(retries),
                _checked_duration("timeout", timeout),
                bool(idempotent),
            )
        )
        return function

    return register if function is None else register(function)


def _register(new: Job) -> None:
    known = JOBS.get(new.name)
    if known is not None and _qualified_name(known.function) != _qualified_name(new.function):
        raise _invalid("name", new.name, f"is the name of another job already ({_qualified_name(known.function)})")
    JOBS[new.name] = new


def _qualified_name(function: Any) -> str:
    """Module and name of a function; equal for a function that is made again, as by a second call of an application factory."""
    function = getattr(function, "func", function)  # of functools.partial
    if not hasattr(function, "__qualname__"):
        function = type(function)
    return f"{getattr(function, '__module__', '')}.{function.__qualname__}"


def _invalid(field: str, value: object, allowed: str) -> ConfigurationError:
    return ConfigurationError(f"job: {field}={value!r}: {allowed}")


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _invalid("name", name, "must be 1 to 64 letters, digits, '_', '.' or '-'")
    return name


def _checked_schedule(text: Any) -> Schedule:
    if not isinstance(text, str):
        raise _invalid("schedule", text, schedules.SCHEDULE_ALLOWED)
    if len(text) > _MAX_SCHEDULE:
        raise _invalid("schedule", text, f"must have at most {_MAX_SCHEDULE} characters")
    try:
        return schedules.parse_schedule(text)
    except ValueError as error:
        raise _invalid("schedule", text, str(error)) from None


def _checked_function(function: Any) -> Callable[[], object]:
    if not callable(function) or inspect.iscoroutinefunction(function):
        raise _invalid("function", function, "must be a function, and no coroutine function")
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise _invalid("function", _qualified_name(function), f"must be callable without arguments ({error})") from None
    except ValueError:
        pass  # some functions written in C have no signature
    return function  # type: ignore[no-any-return]  # callable() says so


def _checked_duration(field: str, value: Any) -> timedelta | None:
    allowed = f"must be a positive time: seconds, a timedelta, or {DURATION_ALLOWED}"
    try:
        match value:
            case None:
                return None
            case bool():
                raise _invalid(field, value, allowed)
            case str():
                length = parse_duration(value)
            case int() | float():
                length = timedelta(seconds=value)
            case timedelta():
                length = value
            case _:
                raise _invalid(field, value, allowed)
    except (ValueError, OverflowError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise _invalid(field, value, allowed) from None
    if not timedelta(0) < length <= timedelta(days=366):
        raise _invalid(field, value, f"{allowed}, at most 366 days")
    return length


def _checked_retries(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_RETRIES:
        raise _invalid("retries", value, f"must be a whole number from 0 to {_MAX_RETRIES}")
    return value

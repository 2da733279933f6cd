"""The states and reasons of the ledger, of locations, keys and rows. The texts are those of the database and of JSON."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class RunState(StrEnum):
    """How far a run is, or how it ended."""

    #: Waits for a process: new, or given back until its next attempt.
    PENDING = "pending"
    #: A process holds its lease.
    RUNNING = "running"
    #: Ended with a row for every due location.
    SUCCEEDED = "succeeded"
    #: Ended with rows for some of the due locations.
    PARTIAL = "partial"
    #: Ended without a row.
    FAILED = "failed"
    #: Never started.
    MISSED = "missed"


#: A run in one of these states is not over.
OPEN_STATES: Final = (RunState.PENDING, RunState.RUNNING)


class ShardState(StrEnum):
    """How far a shard of a run is."""

    #: Waits for a process: new, or given back until its next attempt.
    PENDING = "pending"
    #: A process holds its lease.
    RUNNING = "running"
    #: Each of its due locations has a row or a reason.
    DONE = "done"


class MissedReason(StrEnum):
    """Why a slot has no row."""

    #: No process was running, after one that did not stop in order.
    DOWN = "down"
    #: No process was running, after one that was stopped in order.
    STOPPED = "stopped"
    #: A process was running, but its database did not take the work.
    DATABASE = "database"
    #: A process was running, but could not collect: it lacked memory, descriptors or the like.
    INTERNAL = "internal"
    #: The run has ended without an account of the slot, which the audit has found.
    UNRECORDED = "unrecorded"
    #: The quota was used up.
    QUOTA = "quota"
    #: The provider failed, or refused the request or the key.
    PROVIDER_ERROR = "provider_error"
    #: The provider's answer could not be parsed.
    PAYLOAD_ERROR = "payload_error"
    #: The database refused the row.
    STORE_ERROR = "store_error"
    #: The run before it was still running.
    LATE = "late"


class JobState(StrEnum):
    """How far the run of a job is, or how it ended."""

    #: Waits for a process: given back, or until its next attempt.
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    #: The function raised or timed out, or its process died.
    FAILED = "failed"
    #: Did not start within its grace.
    SKIPPED = "skipped"


class TaskState(StrEnum):
    """How far a background task is, or how it ended."""

    #: Waits for a process: new, given back, or until its next attempt.
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class LocationState(StrEnum):
    """Whether a location is collected on its schedule."""

    ACTIVE = "active"
    PAUSED = "paused"
    #: Has no schedule: created by a collection on demand, or removed while its rows were kept.
    UNSCHEDULED = "unscheduled"


class KeyState(StrEnum):
    """What the provider said of an account's key."""

    #: No key is set. Never stored.
    MISSING = "missing"
    #: No call has been made with this key.
    UNTESTED = "untested"
    #: Refused, but so new that the provider may not have activated it yet.
    PENDING = "pending"
    #: A call with this key succeeded.
    ACTIVE = "active"
    #: Refused.
    INVALID = "invalid"
    #: Valid, but the subscription does not include what was requested.
    PLAN_MISSING = "plan_missing"
    #: The account is suspended, or the caller's address is blocked.
    BLOCKED = "blocked"


class TokenScope(StrEnum):
    """What a token allows."""

    #: Read data, states and metrics.
    READ = "read"
    #: Collect on demand.
    INGEST = "ingest"
    #: Everything, such as changing locations.
    ADMIN = "admin"


class Origin(StrEnum):
    """How a row came into the database."""

    #: Collected in its slot.
    LIVE = "live"
    #: Read afterwards from a provider's history.
    BACKFILL = "backfill"
    #: From a file or a database of another program (``meteorograph import``).
    IMPORT = "import"


class AlertKind(StrEnum):
    """What the rule of an alert watches."""

    NO_DATA = "no_data"
    GAP = "gap"
    OLD_OBSERVATIONS = "old_observations"
    PROVIDER_CLOSED = "provider_closed"
    KEY_REFUSED = "key_refused"
    QUOTA_RUNS_OUT = "quota_runs_out"
    DISK = "disk"
    CLOCK = "clock"
    AUDIT_HOLE = "audit_hole"
    RAIN = "rain"
    WIND = "wind"
    GUST = "gust"
    FROST = "frost"
    HEAT = "heat"
    PRESSURE_FALL = "pressure_fall"


class IncidentState(StrEnum):
    """Whether an incident goes on."""

    OPEN = "open"
    RESOLVED = "resolved"


class DeliveryState(StrEnum):
    """How far a message is."""

    #: Not accepted by its receiver yet.
    WAITING = "waiting"
    #: Accepted by its receiver.
    SENT = "sent"
    #: Not accepted within a week.
    GIVEN_UP = "given_up"

"""Types of the objects in answers about runs, gaps, coverage, quotas, jobs, tasks and health, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from .openapi_types import Instant, RequestID


class RunObject(Struct):
    """A run of the ledger."""

    schedule: str
    due_at: Instant
    state: str
    reason: str | None
    due: int
    stored: int
    failed: int
    failed_by_reason: dict[str, int]
    calls: int
    started_at: Instant | None
    ended_at: Instant | None


class GapObject(Struct, rename={"from_": "from"}):
    """Missed slots of a location that follow each other, with one reason."""

    location: str
    from_: Instant
    to: Instant
    slots: int
    reason: str
    detail: str | None
    unrecoverable: bool


class CoverageObject(Struct):
    """Due and stored slots of a location, a day, or both."""

    due: int
    stored: int
    backfilled: int
    missed: int
    missed_by_reason: dict[str, int]
    unrecoverable: int
    pending: int
    coverage: float | None
    location: str | UnsetType = UNSET
    day: str | UnsetType = UNSET
    #: Of the stored slots, those whose row was imported; absent if there are none.
    imported: int | UnsetType = UNSET


class QuotaWindow(Struct):
    """The calls of a quota window."""

    window: str
    limit: int
    used: int
    reserved: int
    resets_at: Instant


class AccountObject(Struct):
    """The account with a provider: the state of its key, and its quota windows."""

    provider: str
    key_state: str
    closed_until: Instant | None
    reason: str | None
    windows: list[QuotaWindow]


class JobRunObject(Struct):
    """A run of a job of the user's own."""

    id: int
    job: str
    due_at: Instant
    state: str
    attempts: int
    slots: int
    holder: str | None
    started_at: Instant | None
    ended_at: Instant | None
    retry_at: Instant | None
    error: str | None


class JobObject(Struct):
    """A job of the user's own."""

    name: str
    schedule: str
    registered: bool
    failing: bool
    next_due_at: Instant | None
    last_success_at: Instant | None
    slots: dict[str, int]
    last_run: JobRunObject | None


class TaskObject(Struct):
    """A background task. ``arguments`` has what its kind takes, and ``counts`` what came of it so far."""

    id: int
    kind: str
    arguments: dict[str, Any]
    host: str | None
    state: str
    holder: str | None
    attempts: int
    done: int
    total: int | None
    unit: str
    counts: dict[str, int]
    message: str | None
    created_at: Instant
    retry_at: Instant | None
    ended_at: Instant | None


class Freshness(Struct):
    """Ages of the newest observations [s]."""

    oldest: float | None
    median: float | None


class LastRun(Struct):
    """The newest run."""

    due_at: Instant
    state: str
    due: int
    stored: int
    failed: int


class ProviderHealth(Struct):
    """Whether a provider may be called."""

    key: str
    closed_until: Instant | None
    reason: str | None


class LocationHealth(Struct):
    """The age of a location's newest observation [s]."""

    location: str
    age: float | None
    stale: bool


class Health(Struct, kw_only=True):
    """The state of the service."""

    status: str
    problems: list[str]
    scheduler_running: bool
    collectors: int
    database: str
    age_seconds: float
    freshness: Freshness
    stale: int
    last_run: LastRun | None
    next_run: Instant | None
    providers: dict[str, ProviderHealth]
    locations: list[LocationHealth] | UnsetType = UNSET
    next: str | UnsetType | None = UNSET
    request_id: RequestID

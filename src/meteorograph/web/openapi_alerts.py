"""Types of the requests and answers about alerts, for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from ..model.states import AlertKind
from .openapi_types import Instant

_Kind = Annotated[str, Meta(extra_json_schema={"enum": [kind.value for kind in AlertKind]})]
_Duration = Annotated[str, Meta(description="A whole number and a unit, such as 10m")]


class RuleObject(Struct):
    """A rule, and how it stands."""

    name: str
    kind: str
    condition: str
    options: dict[str, Any]
    created_at: Instant
    silenced_until: Instant | None
    evaluated_at: Instant | None
    failure: str | None
    open_incidents: int
    firing: int
    waiting: int


class NewRule(Struct):
    """A rule to add; the options that are left out have the defaults of its kind."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    kind: _Kind
    limit: float | UnsetType = UNSET
    clear_limit: float | UnsetType = UNSET
    hours: int | UnsetType = UNSET
    locations: list[str] | UnsetType = UNSET
    tag: str | UnsetType = UNSET
    hold: _Duration | UnsetType = UNSET
    clear: _Duration | UnsetType = UNSET
    quiet: Annotated[str, Meta(description="Times of day such as 22:00-07:00")] | UnsetType = UNSET
    zone: str | UnsetType = UNSET
    repeat: _Duration | UnsetType = UNSET
    recovery: bool | UnsetType = UNSET
    channels: list[str] | UnsetType = UNSET


class Silence(Struct):
    """Until when a rule is silent: a duration, a time, or null for no longer."""

    until: str | None


class TestedChannel(Struct):
    """The channel to try."""

    channel: str


class DeliveryObject(Struct):
    """A message for a channel."""

    message: str
    channel: str
    state: str
    created_at: Instant
    due_at: Instant
    ended_at: Instant | None
    attempts: int
    error: str | None


class IncidentObject(Struct):
    """An incident with its messages."""

    id: int
    rule: str
    kind: str
    state: str
    began_at: Instant
    opened_at: Instant
    resolved_at: Instant | None
    cause: str
    detail: str
    subjects: list[str]
    subject_count: int
    firing: int
    deliveries: list[DeliveryObject]


class ChannelObject(Struct):
    """How a channel stands; its address is shown nowhere."""

    channel: str
    waiting: int
    last_sent_at: Instant | None
    error: str | None

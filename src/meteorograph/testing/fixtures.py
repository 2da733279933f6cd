"""Fixtures for the contract suite: example bodies of a provider and their expected results; and the checks made from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from ..errors import MeteorographError, PayloadError
from ..model.values import Coordinates, Payload, RequestPoint, Station
from ..providers.base import Provider

#: The key of the suite's calls; no text, error or traceback may show it.
KEY: Final = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
#: A key with characters that a URL must encode.
ODD_KEY: Final = "k&y=0f1e/2d3c+4b5a 6978%"
#: Time of the answers to the suite's calls.
NOON: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
POINT: Final = RequestPoint(51.5, -0.13)
BASE_URL: Final = "https://provider.invalid"

Body = bytes | dict[str, Any] | list[Any] | str | int | float | None


@dataclass(frozen=True)
class Check:
    """A check that raises ``AssertionError`` if the provider violates the contract."""

    name: str
    run: Callable[[], None]

    def __call__(self) -> None:
        self.run()

    def __str__(self) -> str:
        return self.name


def make_check(function: Callable[..., None], *args: Any, case: object = None) -> Check:
    """The check that calls ``function`` with these arguments, named after the function and its case."""
    name = function.__name__.strip("_").replace("_", " ")
    return Check(f"{name}: {case}" if case is not None else name, partial(function, *args))


@dataclass(frozen=True)
class Answer:
    """A body, and the fields of the expected observation; all other quantities must be None."""

    name: str
    body: Body
    #: None if the provider has no data for the point.
    gives: Mapping[str, object] | None
    #: Request parameters that differ from those of ``Provider.request``.
    params: Mapping[str, str] = field(default_factory=dict)
    #: Whether ``gives`` contains all quantities of the body.
    whole: bool = True
    status: int = 200
    fetched_at: datetime = NOON
    #: The requested point, if it differs from that of the fixtures.
    point: RequestPoint | None = None


@dataclass(frozen=True)
class Batch:
    """A body for several points, and for each point the expected fields, None, or the error of its part of the body."""

    name: str
    points: Sequence[RequestPoint]
    body: Body
    gives: Sequence[Mapping[str, object] | type[PayloadError] | None]


@dataclass(frozen=True)
class Refusal:
    """A body, and the expected error."""

    name: str
    body: Body
    raises: type[MeteorographError]
    status: int = 200
    #: Words in the text of the error.
    says: str = ""
    #: For ``QuotaExceededError``: when to call again.
    retry_at: datetime | None = None
    retry_after: str | None = None
    fetched_at: datetime = NOON


@dataclass(frozen=True)
class Lookup:
    """The bodies that answer the requests of a station lookup, and the expected result."""

    name: str
    bodies: Sequence[Body]
    #: The first stations, nearest first (or the nearest one), or the error for the last body.
    gives: Station | Sequence[Station] | type[MeteorographError]
    #: Status of the last body.
    status: int = 200
    point: Coordinates = POINT


@dataclass(frozen=True)
class Pages:
    """A body of a history, and the expected fields of each observation, oldest first."""

    name: str
    body: Body
    gives: Sequence[Mapping[str, object]]
    next_start: datetime | None = None
    #: Whether each entry of ``gives`` contains all quantities of its hour.
    whole: bool = True
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HistoryFixtures:
    """The fixtures of a history."""

    #: First and last requested hour of the bodies.
    start: datetime
    end: datetime
    #: A body with all documented fields.
    good: dict[str, Any] | list[Any]
    answers: Sequence[Pages]
    refusals: Sequence[Refusal]


@dataclass(frozen=True)
class Fixtures:
    """The fixtures of a provider."""

    #: A body with all documented fields for one point, in the units of ``Provider.request``.
    good: dict[str, Any] | list[Any]
    answers: Sequence[Answer]
    refusals: Sequence[Refusal]
    batches: Sequence[Batch] = ()
    #: Station lookups; the first one must find a station.
    lookups: Sequence[Lookup] = ()
    #: One for each history of ``Provider.history``, in the same order.
    histories: Sequence[HistoryFixtures] = ()
    #: The point of the bodies, with its station if the provider answers by station.
    point: RequestPoint = POINT
    #: Request parameters for the units; empty if the provider has fixed units.
    units: Sequence[str] = ("units",)
    #: Paths of members without which all others have no meaning, such as the time of an observation; without the indexes of
    #: lists. Any other member that cannot be read must cost itself alone.
    essential: frozenset[str] = frozenset()
    #: ``place`` or ``condition``, if the provider never gives them.
    lacks: frozenset[str] = frozenset()


def encoded(body: Body) -> bytes:
    """The bytes of a body."""
    return body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()


def payload(
    provider: Provider,
    body: Body,
    *,
    status: int = 200,
    params: Mapping[str, str] | None = None,
    key: str = KEY,
    retry_after: str | None = None,
    fetched_at: datetime = NOON,
    points: Sequence[RequestPoint] = (POINT,),
) -> Payload:
    """The payload of a call to the provider with the answer ``body``."""
    request = provider.request(BASE_URL, points, key if provider.key_setting else "")
    request.params.update(params or {})
    return Payload(request, status, encoded(body), fetched_at, retry_after)


def unix(*at: int) -> int:
    """The Unix time [s] of a UTC calendar time."""
    return int(datetime(*at, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]  # year, month, day, …

"""What the author of a provider writes down for the contract suite: bodies after its contract, and what each must give."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from ..errors import MeteorographError
from ..model.values import Coordinates, Payload, RequestPoint, Station
from ..providers.base import Provider

#: The key that the suite calls with; no text, error or traceback may show it.
KEY: Final = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
#: When the suite's calls are answered.
NOON: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
POINT: Final = RequestPoint(51.5, -0.13)
BASE_URL: Final = "https://provider.invalid"

Body = bytes | dict[str, Any] | list[Any] | str | int | float | None


@dataclass(frozen=True)
class Answer:
    """A body and the fields of the observation it must give; a quantity that is not named must be None."""

    name: str
    body: Body
    #: None: the provider has nothing for the point.
    gives: Mapping[str, object] | None
    #: Parameters of the request that differ from those of ``Provider.request``.
    params: Mapping[str, str] = field(default_factory=dict)
    #: Whether ``gives`` names every quantity that the body has.
    whole: bool = True
    status: int = 200
    fetched_at: datetime = NOON


@dataclass(frozen=True)
class Batch:
    """A body for several points, and what it must give for each."""

    name: str
    points: Sequence[RequestPoint]
    body: Body
    gives: Sequence[Mapping[str, object] | None]


@dataclass(frozen=True)
class Refusal:
    """A body and the error it must raise."""

    name: str
    body: Body
    raises: type[MeteorographError]
    status: int = 200
    #: Words that the text of the error has.
    says: str = ""
    #: For ``QuotaExceededError``: when to ask again.
    retry_at: datetime | None = None
    retry_after: str | None = None
    fetched_at: datetime = NOON


@dataclass(frozen=True)
class Lookup:
    """The bodies that answer one request after the other until the station is known, and the outcome."""

    name: str
    bodies: Sequence[Body]
    #: The station, or the error that the last body raises.
    gives: Station | type[MeteorographError]
    #: Status of the last body.
    status: int = 200
    point: Coordinates = POINT


@dataclass(frozen=True)
class Pages:
    """A body of a history and what each of its observations must give, oldest first."""

    name: str
    body: Body
    gives: Sequence[Mapping[str, object]]
    next_start: datetime | None = None
    #: Whether each of ``gives`` names every quantity that is there.
    whole: bool = True
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HistoryFixtures:
    """All that the suite needs of one history."""

    #: The hours that the bodies are asked for.
    start: datetime
    end: datetime
    #: A body with every field of the contract.
    good: dict[str, Any] | list[Any]
    answers: Sequence[Pages]
    refusals: Sequence[Refusal]


@dataclass(frozen=True)
class Fixtures:
    """All that the suite needs of one provider."""

    #: A body with every field of the contract for the one point, in the units that ``Provider.request`` asks for.
    good: dict[str, Any] | list[Any]
    answers: Sequence[Answer]
    refusals: Sequence[Refusal]
    batches: Sequence[Batch] = ()
    #: Station lookups; the first one is good.
    lookups: Sequence[Lookup] = ()
    #: One for each of ``Provider.history``, in order.
    histories: Sequence[HistoryFixtures] = ()
    #: The point that the bodies answer for, with its station where the provider answers by station.
    point: RequestPoint = POINT
    #: Parameters that fix the units; none where the provider lets nobody choose.
    units: Sequence[str] = ("units",)
    #: Of ``place`` and ``condition``, what the provider never tells.
    lacks: frozenset[str] = frozenset()


def encoded(body: Body) -> bytes:
    """The body as it comes over the wire."""
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
    """The payload of a call to the provider that was answered with ``body``."""
    request = provider.request(BASE_URL, points, key if provider.key_setting else "")
    request.params.update(params or {})
    return Payload(request, status, encoded(body), fetched_at, retry_after)


def unix(*at: int) -> int:
    """The Unix time [s] of a UTC calendar time."""
    return int(datetime(*at, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]  # year, month, day, …

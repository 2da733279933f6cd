"""An entry of the journal: a payload, what it is for, and its request without secrets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from ..model.values import DueLocation, Payload, Request

Kind = Literal["current", "history", "station"]


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A payload, what it is for, and the request without its secrets. New fields go to the end, with a default."""

    provider: str
    kind: Kind
    url: str
    params: dict[str, str]
    status: int
    body: bytes
    fetched_at: datetime
    retry_after: str | None
    #: The slot; of a history, the first hour asked for.
    due_at: datetime
    #: The points asked for, latitude and longitude, and the locations they belong to; None for one that has no row yet.
    points: list[tuple[float, float]]
    location_ids: list[int | None]

    def payload(self) -> Payload:
        """The payload as it came, but for the key."""
        return Payload(
            Request(self.provider, self.url, self.params, {}), self.status, self.body, self.fetched_at, self.retry_after
        )


def make_entry(payload: Payload, kind: Kind, due_at: datetime, points: Sequence[DueLocation]) -> Entry:
    """The entry for a payload; a key that the body repeats is left out."""
    request, body = payload.request, payload.body
    for secret in request.secrets.values():
        if secret and (known := secret.encode()) in body:
            body = body.replace(known, b"[redacted]")
    return Entry(
        request.provider,
        kind,
        request.url,
        request.params,
        payload.status,
        body,
        payload.fetched_at,
        payload.retry_after,
        due_at,
        [(one.coordinates.latitude, one.coordinates.longitude) for one in points],
        [one.id or None for one in points],
    )


decode_entry: Final = msgspec.msgpack.Decoder(Entry)

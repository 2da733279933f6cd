"""An entry of the journal: a payload, its slot and locations, and its request without secrets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from ..model.values import DueLocation, Payload, Request

Kind = Literal["current", "history", "station"]


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A payload, its slot and locations, and its request without secrets. Add new fields at the end, with a default."""

    provider: str
    kind: Kind
    url: str
    params: dict[str, str]
    status: int
    body: bytes
    fetched_at: datetime
    retry_after: str | None
    #: The slot; of a history, the first requested hour.
    due_at: datetime
    #: The requested points (latitude, longitude), and the ids of their locations; None for a location without an id.
    points: list[tuple[float, float]]
    location_ids: list[int | None]

    def payload(self) -> Payload:
        """The original payload, without the key."""
        return Payload(
            Request(self.provider, self.url, self.params, {}), self.status, self.body, self.fetched_at, self.retry_after
        )


def make_entry(payload: Payload, kind: Kind, due_at: datetime, points: Sequence[DueLocation]) -> Entry:
    """Make the entry for a payload. A key that the body repeats is redacted."""
    request, body = payload.request, payload.body
    for secret in request.secrets.values():
        if secret:
            body = body.replace(secret.encode(), b"[redacted]")
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
        [(point.coordinates.latitude, point.coordinates.longitude) for point in points],
        [point.id or None for point in points],
    )


_entry_decoder: Final = msgspec.msgpack.Decoder(Entry)
_entries_decoder: Final = msgspec.msgpack.Decoder(list[Entry])


def decode_entries(encoded: bytes) -> list[Entry]:
    """The entries of a frame: an entry, or an array of entries.

    Raises:
        msgspec.MsgspecError: It is neither.
    """
    try:
        return _entries_decoder.decode(encoded)
    except msgspec.ValidationError:
        return [_entry_decoder.decode(encoded)]

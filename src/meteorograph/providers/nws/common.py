"""What all bodies of the National Weather Service share."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from ...model.values import Payload, Request
from ..base import UNREADABLE, unreadable
from ..http_errors import error_for_status
from ..lenient import LenientDecoder, Unreadable

NAME: Final = "nws"

T = TypeVar("T")


class Geometry(msgspec.Struct, gc=False):
    """A GeoJSON point: longitude and latitude."""

    coordinates: list[float | None] | None = None


def make_request(url: str) -> Request:
    return Request(provider=NAME, url=url, params={}, headers={"Accept": "application/geo+json"})


def decode_body(decoder: LenientDecoder[T], payload: Payload) -> tuple[T, Unreadable]:
    """The value of an answer, and its odd members.

    Raises:
        FetchError: Any status other than 200.
        PayloadError: A body of another shape.
    """
    if payload.status != 200:
        raise error_for_status(NAME, payload)
    try:
        return decoder.decode(payload)
    except UNREADABLE as error:
        raise unreadable(NAME, payload, error) from None

"""What an integration sends rows to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ..config.settings import Settings
from ..errors import MeteorographError


class ReceiverError(MeteorographError):
    """The receiver has not taken the rows: they stay in the outbox.

    Args:
        reason: Why, in words that hold no secret.
        retry_after: How long it asks to be left alone [s].
    """

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class StoredRow(NamedTuple):
    """A row as it is stored now."""

    location_id: int
    #: Name of the location.
    location: str
    #: The columns of ``WeatherData``.
    values: Mapping[str, Any]


class Receiver(Protocol):
    """A connection to a receiver. One thread uses it."""

    def keep_up(self) -> None:
        """Do what is due without new rows; called every few seconds.

        Raises:
            ReceiverError: The receiver cannot be reached.
        """

    def send(self, rows: Sequence[StoredRow]) -> list[str]:
        """Send rows, and return once the receiver has taken them.

        Returns:
            What the receiver said of each row that it refused for good.

        Raises:
            ReceiverError: Rows have not arrived, or it is not known whether they have.
        """

    def close(self) -> None:
        """Close the connection. Never raises."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of integration."""

    name: str
    #: The settings that concern it; None while it is not set up. A change makes a new receiver.
    config: Callable[[Settings], object | None]
    make: Callable[[Settings], Receiver]

"""Every error Meteorograph raises, grouped by what the caller does about it."""

from __future__ import annotations

from datetime import datetime


class MeteorographError(Exception):
    """Base of all errors raised on purpose; its text is one line for a person and holds no secret."""


class ConfigurationError(MeteorographError, ValueError):
    """The set-up cannot work as it stands: refuse to start and say what to change."""


class MissingAPIKeyError(ConfigurationError):
    """No provider that could answer has a usable key."""


class FetchError(MeteorographError):
    """A provider did not give a usable answer.

    Attributes:
        provider: Name of the provider that was called.
        status: HTTP status of its answer, None when there was none.
    """

    def __init__(self, provider: str, reason: str, *, status: int | None = None) -> None:
        super().__init__(f"{provider}: {reason}")
        self.provider = provider
        self.status = status


class RetryableFetchError(FetchError):
    """May heal by itself: server errors and broken connections."""


class FetchTimeoutError(RetryableFetchError):
    """The provider did not answer within the time allowed."""


class QuotaExceededError(FetchError):
    """The account may make no further call before ``retry_at`` (aware UTC)."""

    def __init__(self, provider: str, reason: str, *, retry_at: datetime, status: int | None = None) -> None:
        super().__init__(provider, reason, status=status)
        self.retry_at = retry_at


class PermanentFetchError(FetchError):
    """The same request will fail again: a wrong key, a missing plan, an unknown place."""


class PayloadError(MeteorographError):
    """The provider answered, but the body is not of the shape its contract promises.

    Attributes:
        provider: Name of the provider that was called.
        body: The bytes as they came, so that nothing is lost.
    """

    def __init__(self, provider: str, reason: str, body: bytes) -> None:
        super().__init__(f"{provider}: {reason}")
        self.provider = provider
        self.body = body


class StoreError(MeteorographError):
    """The database did not take the rows."""


class LocationNotFoundError(MeteorographError, LookupError):
    """No location of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no location is named {name!r}")
        self.name = name

"""Every error Meteorograph raises, grouped by what the caller does about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple


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
    """May heal by itself: server errors and broken connections.

    Attributes:
        wait: How long the provider asks to be left alone, None when it does not say.
    """

    def __init__(self, provider: str, reason: str, *, status: int | None = None, wait: timedelta | None = None) -> None:
        super().__init__(provider, reason, status=status)
        self.wait = wait


class FetchTimeoutError(RetryableFetchError):
    """The provider did not answer within the time allowed."""


class ProviderClosedError(FetchError):
    """No call may be made to the provider before ``retry_at`` (aware UTC): it failed too often, or refused the key."""

    def __init__(self, provider: str, reason: str, *, retry_at: datetime, status: int | None = None) -> None:
        super().__init__(provider, reason, status=status)
        self.retry_at = retry_at


class QuotaExceededError(ProviderClosedError):
    """The account may make no further call before ``retry_at`` (aware UTC)."""


class PermanentFetchError(FetchError):
    """The same request will fail again: an unknown place, a missing parameter."""


class AccountError(PermanentFetchError):
    """The provider refuses the account, whatever is asked.

    Attributes:
        key_state: ``invalid`` (also a key not active yet), ``plan_missing`` or ``blocked``.
    """

    def __init__(self, provider: str, reason: str, *, key_state: str, status: int | None = None) -> None:
        super().__init__(provider, reason, status=status)
        self.key_state = key_state


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


class FallbackDatabaseError(MeteorographError):
    """The fallback database does not answer; the database may."""


class LocationNotFoundError(MeteorographError, LookupError):
    """No location of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no location is named {name!r}")
        self.name = name


#: Longer texts are cut where an error repeats them.
_LONGEST_SHOWN: Final = 60


class FieldError(NamedTuple):
    """A field that cannot be taken as it is."""

    field: str
    value: object
    allowed: str

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.field} is missing: {self.allowed}"
        text = str(self.value) if isinstance(self.value, int | float) else repr(self.value)
        return f"{self.field}={text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + '…'}: {self.allowed}"


class InvalidLocationError(MeteorographError, ValueError):
    """Fields of a location are wrong; the text names each, what it was and what is allowed."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = list(errors)
        super().__init__("; ".join(map(str, self.errors)))


class LocationFileError(MeteorographError):
    """A file that cannot be read to its end, whatever is in its rows."""


class LocationExistsError(MeteorographError):
    """There is a location of that name already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"name={name!r}: must be unique, and there is a location of this name")
        self.name = name


class LocationHasDataError(MeteorographError):
    """A location is to go, but it has rows, and nobody said whether they go too."""

    def __init__(self, name: str, rows: int) -> None:
        super().__init__(f"{name!r} has {rows} {'row' if rows == 1 else 'rows'} of data")
        self.name = name
        self.rows = rows


class BadInputError(MeteorographError):
    """A request to the HTTP API that cannot be served as it stands (400).

    Attributes:
        field: Name of the parameter or the field that is wrong.
        allowed: What it must be.
        errors: One entry for each field that is wrong.
        rows: Wrong rows of a file, as the answer lists them; None where the request has no file.
    """

    def __init__(
        self,
        field: str,
        value: object,
        allowed: str,
        *,
        errors: Sequence[FieldError] = (),
        rows: Sequence[Mapping[str, object]] | None = None,
    ) -> None:
        super().__init__(f"{field}: {allowed}")
        self.field = field
        self.allowed = allowed
        self.errors = list(errors) or [FieldError(field, value, allowed)]
        self.rows = rows

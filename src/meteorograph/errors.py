"""The errors of Meteorograph, grouped by what the caller can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple


class MeteorographError(Exception):
    """Base class of our errors. The text is one line for people, without secrets."""


class ConfigurationError(MeteorographError, ValueError):
    """The configuration is invalid: do not start, and say what to change."""


class MissingAPIKeyError(ConfigurationError):
    """No provider has a usable key."""


class FetchError(MeteorographError):
    """A provider did not give a usable answer.

    Attributes:
        provider: Name of the provider.
        status: HTTP status of its answer; None without an answer.
        was_sent: False if no connection was made, so that the provider cannot have counted a call.
    """

    def __init__(self, provider: str, reason: str, *, status: int | None = None) -> None:
        super().__init__(f"{provider}: {reason}")
        self.provider = provider
        self.status = status
        self.was_sent = True


class RetryableFetchError(FetchError):
    """The same call may succeed later: server errors and broken connections.

    Attributes:
        wait: How long the provider asks to wait; None if it does not say.
        stood_still: Whether this process was suspended or starved meanwhile, so that the failure says nothing of the provider.
    """

    def __init__(self, provider: str, reason: str, *, status: int | None = None, wait: timedelta | None = None) -> None:
        super().__init__(provider, reason, status=status)
        self.wait = wait
        self.stood_still = False


class FetchTimeoutError(RetryableFetchError):
    """The provider did not answer before the timeout."""


class ProviderClosedError(FetchError):
    """The provider may not be called before ``retry_at`` (aware UTC), because it failed too often or refused the key."""

    def __init__(self, provider: str, reason: str, *, retry_at: datetime, status: int | None = None) -> None:
        super().__init__(provider, reason, status=status)
        self.retry_at = retry_at


class QuotaExceededError(ProviderClosedError):
    """The quota of the account is used up until ``retry_at`` (aware UTC)."""


class PermanentFetchError(FetchError):
    """The same request will fail again, for example for an unknown place or a missing parameter."""


class AccountError(PermanentFetchError):
    """The provider refuses the account, whatever the request is.

    Attributes:
        key_state: A value of ``KeyState``: ``invalid`` (also for a key that is not active yet), ``plan_missing`` or ``blocked``.
    """

    def __init__(self, provider: str, reason: str, *, key_state: str, status: int | None = None) -> None:
        super().__init__(provider, reason, status=status)
        self.key_state = key_state


class PayloadError(MeteorographError):
    """The provider answered, but the body violates the provider's contract.

    Attributes:
        provider: Name of the provider.
        body: The unchanged bytes of the body.
    """

    def __init__(self, provider: str, reason: str, body: bytes) -> None:
        super().__init__(f"{provider}: {reason}")
        self.provider = provider
        self.body = body


class StoreError(MeteorographError):
    """The database cannot be used, or refused a statement.

    Args:
        message: What is wrong.
        is_disconnect: Whether a connection that was in use has ended; the database may accept another one at once.
    """

    def __init__(self, message: str, *, is_disconnect: bool = False) -> None:
        super().__init__(message)
        self.is_disconnect = is_disconnect


class BackupError(MeteorographError):
    """A backup could not be made or restored, or it is not intact."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"the backup {folder}: {reason}")
        #: The reason without the path.
        self.reason = reason


class HistoryFileError(MeteorographError):
    """A file or database of another program cannot be imported: it is not what it is said to be, or its values are doubtful."""


class ArchiveError(MeteorographError):
    """A file of the archive is missing, damaged, or another one than was sealed."""

    def __init__(self, name: str, reason: str) -> None:
        advice = "put it back from a backup, or correct METEOROGRAPH_ARCHIVE_DIR; meteorograph archive verify looks at all files"
        super().__init__(f"the archive file {name} {reason}: {advice}")
        #: The reason without the name.
        self.reason = reason


class JournalStoreError(MeteorographError):
    """The store of journal files on other hosts cannot be used."""

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(f"the journal store {store} cannot be used: {reason}")
        #: The reason without the address.
        self.reason = reason


class CopyError(MeteorographError):
    """A copy of a database differs from its source."""


class ReadLimitError(MeteorographError):
    """Reading took longer than it may, or nobody waits for it any more."""


class NewerSchemaError(StoreError):
    """The database was made by a newer version of the program, which must be upgraded: trying again does not help."""


class FallbackDatabaseError(MeteorographError):
    """The fallback database cannot be used. The main database may work."""


class LostLeaseError(MeteorographError):
    """Another process has taken the run or the shard meanwhile: nothing of it may be stored any more."""


class LocationNotFoundError(MeteorographError, LookupError):
    """No location has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no location is named {name!r}")
        self.name = name


#: Errors truncate longer values [characters].
_MAX_SHOWN: Final = 60


class FieldError(NamedTuple):
    """A field with an invalid value: its name, the value, and what is allowed."""

    field: str
    value: object
    allowed: str

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.field} is missing: {self.allowed}"
        text = str(self.value) if isinstance(self.value, int | float) else repr(self.value)
        return f"{self.field}={text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + '…'}: {self.allowed}"


class InvalidLocationError(MeteorographError, ValueError):
    """Fields of a location are invalid; the text names each field, its value and what is allowed."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = list(errors)
        super().__init__("; ".join(map(str, self.errors)))


class InvalidTimeError(MeteorographError, ValueError):
    """A value is no time; the text names the argument, its value and what is allowed."""


class LocationFileError(MeteorographError):
    """A location file cannot be read to its end."""


class LocationExistsError(MeteorographError):
    """A location with this name exists already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"name={name!r}: must be unique, and a location with this name exists")
        self.name = name


class TokenExistsError(MeteorographError):
    """A token with this name exists already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"name={name!r}: must be unique, and a token with this name exists")


class TokenNotFoundError(MeteorographError):
    """No token has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"name={name!r}: no token has this name")


class InvalidRuleError(MeteorographError, ValueError):
    """Options of a rule for alerts are invalid; the text names each option, its value and what is allowed."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = list(errors)
        super().__init__("; ".join(map(str, self.errors)))


class RuleExistsError(MeteorographError):
    """A rule with this name exists already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"name={name!r}: must be unique, and a rule with this name exists")


class RuleNotFoundError(MeteorographError):
    """No rule has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"name={name!r}: no rule has this name")


class DeliveryError(MeteorographError):
    """A receiver did not accept a message.

    Attributes:
        wait: How long the receiver asks to wait; None if it does not say.
    """

    def __init__(self, reason: str, *, wait: timedelta | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class LocationHasDataError(MeteorographError):
    """A location with rows cannot be removed without a decision about the rows."""

    def __init__(self, name: str, rows: int) -> None:
        super().__init__(f"{name!r} has {rows} {'row' if rows == 1 else 'rows'} of data")
        self.name = name
        self.rows = rows


class BadInputError(MeteorographError):
    """An invalid request to the HTTP API (400).

    Attributes:
        field: Name of the invalid parameter or field.
        allowed: What is allowed.
        errors: One entry for each invalid field.
        rows: Invalid rows of a file, for the answer; None if the request has no file.
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

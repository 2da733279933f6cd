"""What each configured key may use: one real call per key, charged as any other on demand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ..accounts import account_state
from ..accounts.account_state import AccountStatus
from ..config.settings import Settings
from ..errors import FetchError, PayloadError, ProviderClosedError, QuotaExceededError
from ..model import clock
from ..model.states import KeyState
from ..model.values import DueLocation
from ..providers.base import Provider
from ..providers.registry import PROVIDERS
from ..storage.engine import get_db_session
from .event_loop import run_async
from .http import make_fetcher
from .observation import observe
from .run_context import ProviderAccess, RunContext, make_gate

#: The states of ``accounts.key_state`` in plain words.
KEY_STATE_TEXTS: Final[dict[str, str]] = {
    KeyState.MISSING: "missing",
    KeyState.UNTESTED: "untested",
    KeyState.PENDING: "pending activation",
    KeyState.ACTIVE: "active",
    KeyState.INVALID: "invalid",
    KeyState.PLAN_MISSING: "plan missing",
    KeyState.BLOCKED: "blocked",
}


@dataclass(frozen=True, slots=True)
class KeyReport:
    """What is known of one key after the call."""

    provider: str
    title: str
    #: A key of ``STATES``.
    state: str
    #: Whether the provider was called; not one whose quota is used up.
    called: bool
    #: Whether it answered.
    reached: bool
    #: No scheduled call before this instant.
    closed_until: datetime | None
    #: What went wrong, in the provider's words.
    said: str | None
    #: What to do about it.
    advice: str | None

    @property
    def is_good(self) -> bool:
        """Whether the key may be used; one that could not be tried is not known to be."""
        return self.state == KeyState.ACTIVE and (self.reached or not self.called)


def check_keys(settings: Settings) -> list[KeyReport]:
    """Call every provider that has a key once, and tell what each key may use; none is left out because another failed.

    Raises:
        StoreError: The database does not answer.
    """
    return run_async(_check_all(settings))


async def _check_all(settings: Settings) -> list[KeyReport]:
    return [await _check(provider, key, settings) for name, provider in PROVIDERS.items() if (key := settings.key(name))]


async def _check(provider: Provider, key: str, settings: Settings) -> KeyReport:
    before = _status(provider, key)
    if before.by_quota:
        return _report(provider, before, None, called=False)
    gate = make_gate(provider, settings, 1, on_demand=True)
    source = ProviderAccess(provider, settings.base_url(provider.name), key, gate)
    asked = RunContext([source], {}, attempts=1, due_at=clock.now())
    try:
        async with make_fetcher(settings, connections=1) as fetcher:
            (outcome,) = await observe(fetcher, asked, [DueLocation(0, "the default place", settings.default_coordinates)])
    finally:
        await gate.close()
    error = outcome if isinstance(outcome, FetchError | PayloadError) else None
    return _report(provider, _status(provider, key), error, called=gate.calls > 0)


def _status(provider: Provider, key: str) -> AccountStatus:
    with get_db_session(read_only=True) as session:
        return account_state.account_status(session, provider.name, key, clock.now())


def _report(provider: Provider, known: AccountStatus, error: FetchError | PayloadError | None, *, called: bool) -> KeyReport:
    reached = called and not (isinstance(error, FetchError) and error.status is None)
    closed_until = known.closed_until
    if isinstance(error, ProviderClosedError):  # our own count of its calls says so; the account is not closed
        closed_until = max(error.retry_at, closed_until or error.retry_at)
    said = str(error).removeprefix(f"{provider.name}: ") if error else known.reason if not called else None
    return KeyReport(
        provider=provider.name,
        title=provider.title,
        state=known.key_state,
        called=called,
        reached=reached,
        closed_until=closed_until,
        said=said,
        advice=_advice(provider, known, error, called=called, reached=reached),
    )


def _advice(
    provider: Provider, known: AccountStatus, error: FetchError | PayloadError | None, *, called: bool, reached: bool
) -> str | None:
    if known.by_quota or isinstance(error, QuotaExceededError):
        return "nothing: it is called again when its quota's window ends" + ("" if called else ", and was not called now")
    if not reached:
        return "it could not be reached: look at the network and try again"
    match known.key_state:
        case KeyState.PENDING:
            return (
                "a new key takes up to two hours, and is tried again by itself; if it is older than that, "
                f"compare {provider.key_setting} with the provider's page"
            )
        case KeyState.INVALID:
            return f"compare {provider.key_setting} with the key on the provider's page, or make a new one"
        case KeyState.PLAN_MISSING:
            return f"choose a plan that has current weather: {provider.documentation}"
        case KeyState.BLOCKED:
            return "ask the provider's support why"
    return "the key is fine; the answer was not: try again later" if error else None

"""Check what each configured key may use: one real call per key, charged as any other call on demand."""

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
from .process_memory import PROCESS_MEMORY
from .run_context import ProviderAccess, RunContext, make_gate

#: The states of a key in plain words.
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
    """The state of one key after the call."""

    provider: str
    title: str
    state: str
    #: Whether the provider was called: it is not while its quota is used up, and without a connection to it.
    called: bool
    #: Whether it answered.
    reached: bool
    #: No scheduled call before this instant.
    closed_until: datetime | None
    #: What went wrong, in the provider's words.
    said: str | None
    #: What to do.
    advice: str | None
    #: Whether a call was tried.
    is_tried: bool

    @property
    def is_good(self) -> bool:
        """Whether the key may be used; a key that could not be tried does not count as good."""
        return self.state == KeyState.ACTIVE and (self.reached or not self.is_tried)


def check_keys(settings: Settings) -> list[KeyReport]:
    """Call every provider that has a key once and report what each key may use; a failure does not skip the others.

    Raises:
        StoreError: The database does not answer.
    """
    return run_async(_check_all(settings))


async def _check_all(settings: Settings) -> list[KeyReport]:
    return [await _check(provider, key, settings) for name, provider in PROVIDERS.items() if (key := settings.key(name))]


async def _check(provider: Provider, key: str, settings: Settings) -> KeyReport:
    before = _status(provider, key)
    if before.by_quota:
        return _report(provider, before, None, called=False, is_tried=False)
    gate = make_gate(provider, settings, 1, on_demand=True)
    access = ProviderAccess(provider, settings.base_url(provider.name), key, gate)
    context = RunContext([access], {}, due_at=clock.now(), memory=PROCESS_MEMORY)
    try:
        async with make_fetcher(settings, connections=1) as fetcher:
            (outcome,) = await observe(fetcher, context, [DueLocation(0, "the default place", settings.default_coordinates)])
    finally:
        await gate.close()
    error = outcome if isinstance(outcome, FetchError | PayloadError) else None
    is_tried = not isinstance(error, ProviderClosedError) or gate.calls > 0
    return _report(provider, _status(provider, key), error, called=gate.calls > 0, is_tried=is_tried)


def _status(provider: Provider, key: str) -> AccountStatus:
    with get_db_session(read_only=True) as session:
        return account_state.account_status(session, provider.name, key, clock.now())


def _report(
    provider: Provider, status: AccountStatus, error: FetchError | PayloadError | None, *, called: bool, is_tried: bool
) -> KeyReport:
    reached = called and not (isinstance(error, FetchError) and error.status is None)
    closed_until = status.closed_until
    if isinstance(error, ProviderClosedError):  # by our own count of calls; the account itself is not closed
        closed_until = max(error.retry_at, closed_until or error.retry_at)
    said = str(error).removeprefix(f"{provider.name}: ") if error else status.reason if not called else None
    return KeyReport(
        provider=provider.name,
        title=provider.title,
        state=status.key_state,
        called=called,
        reached=reached,
        closed_until=closed_until,
        said=said,
        advice=_advice(provider, status, error, called=called, reached=reached),
        is_tried=is_tried,
    )


def _advice(
    provider: Provider, status: AccountStatus, error: FetchError | PayloadError | None, *, called: bool, reached: bool
) -> str | None:
    if status.by_quota or isinstance(error, QuotaExceededError):
        return "nothing: it is called again when its quota resets" + ("" if called else "; it was not called now")
    if not reached:
        return "the provider could not be reached: check the network and try again"
    match status.key_state:
        case KeyState.PENDING:
            return (
                "a new key takes up to two hours to become active, and is tried again automatically; "
                f"if it is older than that, compare {provider.key_setting} with the key on the provider's page"
            )
        case KeyState.INVALID:
            return f"compare {provider.key_setting} with the key on the provider's page, or create a new key"
        case KeyState.PLAN_MISSING:
            return f"choose a plan that includes current weather: {provider.documentation}"
        case KeyState.BLOCKED:
            return "ask the provider's support why"
    return "the key is fine; the answer was not: try again later" if error else None

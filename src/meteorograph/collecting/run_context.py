"""Whom to ask, in which order, by the settings: each provider with its account, and the way to it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NoReturn

from ..config.settings import Settings
from ..errors import MissingAPIKeyError
from ..journal.writer import Journal, open_journal
from ..model.values import Payload
from ..providers.base import Provider
from ..providers.registry import PROVIDERS
from .call_gate import CallGate

#: Attempts at one call within a run.
ATTEMPTS: Final = 3

#: The address and the parameters of a request, which tell it from all others of its slot.
RequestKey = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class ProviderAccess:
    """A provider with the account that is used there, and the way to it."""

    provider: Provider
    base_url: str
    key: str = field(repr=False)
    gate: CallGate = field(repr=False)

    @property
    def most(self) -> int:
        """Points of one request at most: no more than its account can pay at once."""
        if self.gate.largest is None or self.provider.most == 1:
            return self.provider.most
        return max(1, min(self.provider.most, int(self.gate.largest / self.provider.cost)))


@dataclass(frozen=True, slots=True)
class RunContext:
    """Whom to ask for an observation, and for quantities that are to come from others; in order."""

    observation: Sequence[ProviderAccess]
    #: Quantity → whom to ask for it; those that are not named come with the observation.
    quantities: Mapping[str, Sequence[ProviderAccess]]
    #: How often to try; more than once only where nobody waits for the answer.
    attempts: int
    #: The slot that is asked for.
    due_at: datetime
    #: Until when a provider whose quota is used up is waited for; None to ask the next one at once.
    waits_until: datetime | None = None
    journal: Journal | None = field(default=None, repr=False)
    #: Providers that only some locations may ask for a single quantity this time → the ids of those.
    turns: Mapping[str, Collection[int]] = field(default_factory=dict, repr=False)
    #: Payloads that are here already: a process that died had asked for them.
    known: Mapping[RequestKey, Payload] = field(default_factory=dict, repr=False)

    def all(self) -> list[ProviderAccess]:
        """Every source once."""
        listed = (*self.observation, *(source for named in self.quantities.values() for source in named))
        return list({source.provider.name: source for source in listed}.values())

    def gates(self) -> list[CallGate]:
        """The ways to all providers."""
        return [source.gate for source in self.all()]


def require_key(settings: Settings) -> None:
    """Make sure that there is something to collect with.

    Raises:
        MissingAPIKeyError: Every provider of ``METEOROGRAPH_PROVIDERS`` lacks its key.
    """
    if all(settings.key(name) is None for name in settings.providers):
        _raise_missing_key(settings)


def make_context(
    settings: Settings,
    due_at: datetime,
    *,
    wanted: int = 1,
    on_demand: bool = True,
    waits_until: datetime | None = None,
    known: Mapping[RequestKey, Payload] | None = None,
) -> RunContext:
    """The providers that the settings name and that may be used, to make about ``wanted`` calls each.

    Raises:
        MissingAPIKeyError: Every provider of ``METEOROGRAPH_PROVIDERS`` lacks its key.
    """
    require_key(settings)
    made: dict[str, ProviderAccess] = {}

    def usable(names: Sequence[str]) -> list[ProviderAccess]:
        for name in names:
            if name not in made and (key := settings.key(name)) is not None:
                provider = PROVIDERS[name]
                made[name] = ProviderAccess(
                    provider, settings.base_url(name), key, make_gate(provider, settings, wanted, on_demand=on_demand)
                )
        return [made[name] for name in names if name in made]

    observation = usable(settings.providers)
    # A list of precipitation providers without a name leaves it to the observation.
    own = {"precipitation": settings.precipitation_providers or settings.providers, **settings.quantity_providers}
    return RunContext(
        observation,
        {quantity: usable(names) for quantity, names in own.items()},
        1 if on_demand else ATTEMPTS,
        due_at,
        waits_until,
        open_journal(settings.journal_dir) if settings.journal_days else None,
        known=known or {},
    )


def make_gate(provider: Provider, settings: Settings, wanted: int, *, on_demand: bool) -> CallGate:
    """The way to a provider, to make about ``wanted`` calls."""
    at_once = min(settings.concurrency, provider.at_once or settings.concurrency)
    return CallGate(
        provider.name,
        settings.key(provider.name) or "",
        settings.limits(provider.name),
        wanted=math.ceil(wanted * provider.cost),
        on_demand=on_demand,
        zone=provider.quota_zone,
        concurrency=at_once,
    )


def _raise_missing_key(settings: Settings) -> NoReturn:
    first = PROVIDERS[settings.providers[0]]
    raise MissingAPIKeyError(
        f"no {first.title} API key: set {first.key_setting} (or {first.key_setting}_FILE) in the environment or in .env; "
        f"{first.documentation} tells how to get one"
    )

"""What a run works with: the providers that the settings name, in their order, each with its account and its gate."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NoReturn

from ..config.settings import Settings
from ..errors import MissingAPIKeyError
from ..journal.round_writer import RoundWriter
from ..journal.writer import open_journal
from ..model.values import Payload
from ..providers.base import Provider
from ..providers.registry import PROVIDERS
from .call_gate import CallGate
from .process_memory import PROCESS_MEMORY, ProcessMemory

#: Attempts at one request.
ATTEMPTS: Final = 3

#: URL and parameters of a request; they identify it among the requests of a slot.
RequestKey = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class ProviderAccess:
    """A provider with the account that is used there, and the gate to it."""

    provider: Provider
    base_url: str
    key: str = field(repr=False)
    gate: CallGate = field(repr=False)

    @property
    def batch_size(self) -> int:
        """Locations of one request at most: no more than the account can pay for at once."""
        if self.gate.largest is None or self.provider.most == 1:
            return self.provider.most
        return max(1, min(self.provider.most, int(self.gate.largest / self.provider.cost)))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How to make a request again after a failure that may heal."""

    #: Attempts in all.
    attempts: int
    #: The longest wait between two attempts [s]; a provider that asks for a longer one is not called again.
    longest_wait: float = 10.0
    #: No attempt begins later than this after the first [s].
    total: float | None = None


@dataclass(frozen=True, slots=True)
class RunContext:
    """The providers of a run and what its requests need to know of it."""

    #: Providers of the observation, in the order in which they are called.
    observation: Sequence[ProviderAccess]
    #: Quantity → providers of this quantity alone, in order; the other quantities come with the observation.
    quantities: Mapping[str, Sequence[ProviderAccess]]
    #: The slot that is collected.
    due_at: datetime
    #: Quantities that come with the observation where none of their providers gives them.
    own_last: frozenset[str] = frozenset()
    #: How often, and how soon, a request that failed is made again.
    retries: RetryPolicy = RetryPolicy(attempts=1)
    #: A provider whose quota is used up is waited for until then; None to call the next provider at once.
    waits_until: datetime | None = None
    journal: RoundWriter | None = field(default=None, repr=False)
    #: Provider of single quantities → ids of the locations that may call it in this slot; all where it has no entry.
    turns: Mapping[str, Collection[int]] = field(default_factory=dict, repr=False)
    #: Journalled payloads of an earlier holder of the run, which need not be fetched again.
    replayed: Mapping[RequestKey, Payload] = field(default_factory=dict, repr=False)
    memory: ProcessMemory = field(default_factory=ProcessMemory, repr=False)

    def accesses(self) -> list[ProviderAccess]:
        """Every provider once."""
        listed = (*self.observation, *(access for accesses in self.quantities.values() for access in accesses))
        return list({access.provider.name: access for access in listed}.values())

    def single_quantity_providers(self) -> list[str]:
        """Names of the providers that are called for single quantities only."""
        observation = {access.provider.name for access in self.observation}
        return [access.provider.name for access in self.accesses() if access.provider.name not in observation]

    def expect(self, locations: int) -> None:
        """Expect the calls for so many more locations."""
        for access in self.accesses():
            access.gate.expect(math.ceil(locations * access.provider.cost))

    def calls(self) -> int:
        """Calls made so far."""
        return sum(access.gate.calls for access in self.accesses())

    async def open_gates(self) -> None:
        """Look up which providers may be called."""
        for access in self.accesses():
            await access.gate.open()

    async def close_gates(self) -> None:
        """Give back the calls that were charged and not made."""
        for access in self.accesses():
            await access.gate.close()


def require_key(settings: Settings) -> None:
    """Make sure that some provider can be called.

    Raises:
        MissingAPIKeyError: Every provider of ``METEOROGRAPH_PROVIDERS`` lacks its key.
    """
    if all(settings.key(name) is None for name in settings.providers):
        _raise_missing_key(settings)


def make_context(
    settings: Settings,
    due_at: datetime,
    *,
    expected: int = 1,
    on_demand: bool = True,
    waits_until: datetime | None = None,
    memory: ProcessMemory = PROCESS_MEMORY,
) -> RunContext:
    """The providers that the settings name and that have their key.

    Args:
        settings: The settings in force.
        due_at: The slot.
        expected: Locations that are about to be collected.
        on_demand: Whether somebody waits for the answer.
        waits_until: A provider whose quota is used up is waited for until then.
        memory: What the process remembers from earlier runs.

    Raises:
        MissingAPIKeyError: Every provider of ``METEOROGRAPH_PROVIDERS`` lacks its key.
    """
    require_key(settings)
    accesses: dict[str, ProviderAccess] = {}

    def usable(names: Sequence[str]) -> list[ProviderAccess]:
        for name in names:
            if name not in accesses and (key := settings.key(name)) is not None:
                gate = make_gate(PROVIDERS[name], settings, expected, on_demand=on_demand, memory=memory)
                accesses[name] = ProviderAccess(PROVIDERS[name], settings.base_url(name), key, gate)
        return [accesses[name] for name in names if name in accesses]

    observation = usable(settings.providers)
    return RunContext(
        observation,
        {quantity: usable(names) for quantity, names in settings.quantity_orders().items()},
        due_at,
        own_last=frozenset({"precipitation"}) if settings.keeps_own_precipitation else frozenset(),
        retries=RetryPolicy(ATTEMPTS, longest_wait=2.0, total=15.0) if on_demand else RetryPolicy(ATTEMPTS),
        waits_until=waits_until,
        journal=RoundWriter(open_journal(settings.journal_dir)) if settings.journal_days else None,
        memory=memory,
    )


def make_gate(
    provider: Provider, settings: Settings, expected: int, *, on_demand: bool, memory: ProcessMemory = PROCESS_MEMORY
) -> CallGate:
    """The gate to a provider, through which the calls for about ``expected`` locations will pass."""
    return CallGate(
        settings.account(provider.name),
        settings.key(provider.name) or "",
        expected=math.ceil(expected * provider.cost),
        on_demand=on_demand,
        concurrency=min(settings.concurrency, provider.at_once or settings.concurrency),
        tolerated=memory.tolerated,
        clock_check=memory.clock_check,
    )


def _raise_missing_key(settings: Settings) -> NoReturn:
    first = PROVIDERS[settings.providers[0]]
    raise MissingAPIKeyError(
        f"no {first.title} API key: set {first.key_setting} (or {first.key_setting}_FILE) in the environment or in .env; "
        f"{first.documentation} tells how to get one"
    )

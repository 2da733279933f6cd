"""Observations of some locations, from the providers in their order (stops 3 to 7 of the walk)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ..accounts.account_state import Closed
from ..errors import ProviderClosedError, QuotaExceededError
from ..log_output import get_logger
from ..log_repeats import Kind, error_once, warn_once
from ..model.quantities import AMOUNTS, BY_NAME
from ..model.values import DueLocation, Observation, OtherValues
from ..quality.dew_point import derive_dew_point
from ..quality.impossible_values import drop_impossible
from ..quality.provider_agreement import flag_disagreements
from ..storage.counters import COUNTERS, Count
from .http import Fetcher
from .request import Outcome, request_observations
from .run_context import ProviderAccess, RunContext

log = get_logger(__name__)


async def observe(fetcher: Fetcher, context: RunContext, locations: Sequence[DueLocation]) -> list[Outcome]:
    """Observe locations now, each from the first provider that has data for it.

    Where no provider has, the outcome is the error of the last one; a ``ProviderClosedError`` if that was not called.
    """
    outcomes = await observe_from(fetcher, context, 0, locations)
    indexes = list(range(len(locations)))
    for rank in range(len(context.observation)):
        indexes = [index for index in indexes if calls_next(context, rank, locations[index], outcomes[index])]
        if not indexes:
            break
        answers = await observe_from(fetcher, context, rank + 1, [locations[index] for index in indexes])
        for index, answer in zip(indexes, answers, strict=True):
            outcomes[index] = answer
    return outcomes


async def observe_from(fetcher: Fetcher, context: RunContext, rank: int, locations: Sequence[DueLocation]) -> list[Outcome]:
    """Observe locations with one provider of the observation, the ``rank``-th, and complete what it does not give.

    Single quantities that have providers of their own come from the first of these that gives them.
    """
    outcomes = await request_observations(fetcher, context, context.observation[rank], locations)
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, Observation):
            if rank:
                COUNTERS.add(Count.FALLBACKS, outcome.provider, "all")
            outcomes[index] = drop_impossible(await _complete(fetcher, context, locations[index], derive_dew_point(outcome)))
    return outcomes


def calls_next(context: RunContext, rank: int, location: DueLocation, outcome: Outcome) -> bool:
    """Whether the next provider must be called for a location, after this outcome of the ``rank``-th; logs why."""
    if isinstance(outcome, Observation):
        return False
    provider = context.observation[rank].provider.name
    fields = {"provider": provider, "point": str(location.coordinates), "reason": str(outcome)}
    kind = _kind(provider, outcome)
    if rank + 1 == len(context.observation) or is_waited_for(context, outcome):
        if not isinstance(outcome, ProviderClosedError):  # that a provider is closed is logged when it closes
            error_once(log, "provider failed", kind, **fields)
        return False
    warn_once(log, "provider failed, calling the next", kind, **fields)
    return True


def _kind(provider: str, outcome: Outcome) -> Kind:
    """What failures of one kind have in common, wherever they happen."""
    return provider, type(outcome).__name__, getattr(outcome, "status", None)


def is_waited_for(context: RunContext, reason: Outcome | Closed) -> bool:
    """Whether a provider's quota is used up for so short a time that its next calls are waited for."""
    if context.waits_until is None:
        return False
    by_quota = reason.by_quota if isinstance(reason, Closed) else isinstance(reason, QuotaExceededError)
    return by_quota and isinstance(reason, Closed | QuotaExceededError) and reason.retry_at < context.waits_until


async def _complete(fetcher: Fetcher, context: RunContext, location: DueLocation, observation: Observation) -> Observation:
    """The observation, with each quantity that has its own providers from the first of them that gives it."""
    own, others = observation, dict[str, Observation | None]()
    for quantity, accesses in context.quantities.items():
        giver = await _first_giver(fetcher, context, location, quantity, accesses, observation, others)
        if giver is not observation:
            observation = replace_quantity(observation, quantity, giver)
        if giver is not None and giver.provider != accesses[0].provider.name:
            COUNTERS.add(Count.FALLBACKS, giver.provider, quantity)
    if observation is own and not others:
        return own
    given = [other for other in others.values() if other is not None]
    for other in given:
        observation = flag_disagreements(observation, other)
    return keep_other_values(observation, [own, *given])


async def _first_giver(
    fetcher: Fetcher,
    context: RunContext,
    location: DueLocation,
    quantity: str,
    accesses: Sequence[ProviderAccess],
    own: Observation,
    others: dict[str, Observation | None],
) -> Observation | None:
    """The observation of the first provider that gives a quantity: the location's own, or another one.

    ``others`` keeps the answers of the other providers, so that each is called once for a location.
    """
    for access in accesses:
        name = access.provider.name
        if name == own.provider:
            giver: Observation | None = own
        elif location.id not in context.turns.get(name, (location.id,)):
            continue
        else:
            if name not in others:
                others[name] = await _request_other(fetcher, context, access, location, quantity)
            giver = others[name]
        if giver is not None and getattr(giver, quantity) is not None:
            return giver
        if giver is not None and giver is not own:
            missing = {"quantity": quantity, "provider": name}
            warn_once(log, "a quantity is not in the answer, calling the next", (quantity, name), **missing)
    return own if quantity in context.own_last and getattr(own, quantity) is not None else None


async def _request_other(
    fetcher: Fetcher, context: RunContext, access: ProviderAccess, location: DueLocation, quantity: str
) -> Observation | None:
    (outcome,) = await request_observations(fetcher, context, access, [location])
    if isinstance(outcome, Observation):
        return outcome
    if not isinstance(outcome, ProviderClosedError):
        fields = {"provider": access.provider.name, "point": str(location.coordinates), "reason": str(outcome)}
        kind = (quantity, *_kind(access.provider.name, outcome))
        warn_once(log, "a quantity's provider failed, calling the next", kind, quantity=quantity, **fields)
    return None


def replace_quantity(observation: Observation, quantity: str, giver: Observation | None) -> Observation:
    """The observation with the value of another provider; None where no provider gives it."""
    # The amounts share their period, so the snow comes from the provider of the precipitation.
    names = AMOUNTS if quantity == "precipitation" else (quantity,)
    flags = {name: words for name, words in observation.flags.items() if name not in names}
    changes: dict[str, Any] = {name: getattr(giver, name, None) for name in names}
    if giver is not None:
        flags |= {name: giver.flags[name] for name in names if name in giver.flags}
        given = {name: giver.provider for name in names if name == quantity or changes[name] is not None}
        changes["providers"] = {**observation.providers, **given}
    changes["flags"] = flags
    if quantity == "precipitation":
        changes["precipitation_period"] = giver.precipitation_period if giver else None
    return msgspec.structs.replace(observation, **changes)


def keep_other_values(observation: Observation, givers: Sequence[Observation]) -> Observation:
    """The observation with every possible value of the givers that it does not use itself: nothing that was fetched is lost."""
    kept = {giver.provider: values for giver in givers if (values := _unused_values(observation, drop_impossible(giver))).values}
    return msgspec.structs.replace(observation, other_values=kept) if kept else observation


def _unused_values(observation: Observation, giver: Observation) -> OtherValues:
    values = {
        name: value
        for name in BY_NAME
        if (value := getattr(giver, name)) is not None
        and (observation.providers.get(name, observation.provider), getattr(observation, name)) != (giver.provider, value)
    }
    return OtherValues(
        values=values,
        observed_at=giver.observed_at,
        precipitation_period=giver.precipitation_period if not values.keys().isdisjoint(AMOUNTS) else None,
        flags={name: words for name, words in giver.flags.items() if name in values},
    )

"""One observation of each of some points, from the providers in their order (stops 3 to 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ..errors import FetchError, PayloadError, ProviderClosedError, QuotaExceededError
from ..log_output import get_logger
from ..model.values import DueLocation, Observation
from ..quality.impossible_values import drop_impossible
from ..quality.provider_agreement import flag_disagreements
from .http import Fetcher
from .request import Outcome, request_observations
from .run_context import ProviderAccess, RunContext

log = get_logger(__name__)


async def observe(fetcher: Fetcher, asked: RunContext, points: Sequence[DueLocation]) -> list[Outcome]:
    """The weather at each point now, from the first provider that gives it, quantity by quantity where the settings say so.

    Where no provider gave an answer, it is what went wrong with the last one: ``ProviderClosedError`` if that was not called.
    """
    outcomes = await _observations(fetcher, asked, points)
    for place, outcome in enumerate(outcomes):
        if isinstance(outcome, Observation):
            outcomes[place] = drop_impossible(await _completed(fetcher, asked, points[place], outcome))
    return outcomes


async def _observations(fetcher: Fetcher, asked: RunContext, points: Sequence[DueLocation]) -> list[Outcome]:
    """Each point's observation by the first provider that has one."""
    source = asked.observation[0]
    outcomes = await request_observations(fetcher, asked, source, points)
    left = [place for place, outcome in enumerate(outcomes) if not isinstance(outcome, Observation)]
    for following in asked.observation[1:]:
        left = [place for place in left if _ask_next(asked, source, points[place], outcomes[place])]
        if not left:
            return outcomes
        source = following
        answers = await request_observations(fetcher, asked, source, [points[place] for place in left])
        for place, answer in zip(left, answers, strict=True):
            outcomes[place] = answer
        left = [place for place in left if not isinstance(outcomes[place], Observation)]
    for place in left:
        if not isinstance(outcomes[place], ProviderClosedError):  # a closed one was told when it closed
            what = {"point": str(points[place].coordinates), "reason": str(outcomes[place])}
            log.error("provider failed", provider=source.provider.name, **what)
    return outcomes


def _ask_next(asked: RunContext, source: ProviderAccess, point: DueLocation, outcome: Outcome) -> bool:
    """Whether the next provider is to be asked for a point that has no observation yet."""
    if is_waited_for(asked, outcome):
        return False
    what = {"provider": source.provider.name, "point": str(point.coordinates), "reason": str(outcome)}
    log.warning("provider failed, asking the next", **what)
    return True


def is_waited_for(asked: RunContext, outcome: object) -> bool:
    """Whether a provider's quota is used up for so short a time that its next calls are waited for."""
    until = asked.waits_until
    return until is not None and isinstance(outcome, QuotaExceededError) and outcome.retry_at < until


async def _completed(fetcher: Fetcher, asked: RunContext, point: DueLocation, found: Observation) -> Observation:
    """The observation with each quantity that has providers of its own from the first of them that gives it."""
    others: dict[str, Observation | None] = {}
    for quantity, sources in asked.quantities.items():
        giver: Observation | None = None
        for source in sources:
            name = source.provider.name
            if name == found.provider:
                giver = found
            elif point.id not in asked.turns.get(name, (point.id,)):
                continue
            else:
                if name not in others:
                    others[name] = await _other(fetcher, asked, source, point, quantity)
                giver = others[name]
            if giver is not None and getattr(giver, quantity) is not None:
                break
            if giver is not None and giver is not found:
                log.warning("a quantity is not in the answer, asking the next", quantity=quantity, provider=name)
            giver = None
        if giver is not found:
            found = replace_quantity(found, quantity, giver)
    for other in others.values():
        found = flag_disagreements(found, other) if other is not None else found
    return found


async def _other(
    fetcher: Fetcher, asked: RunContext, source: ProviderAccess, point: DueLocation, quantity: str
) -> Observation | None:
    (outcome,) = await request_observations(fetcher, asked, source, [point])
    if isinstance(outcome, FetchError | PayloadError):
        if not isinstance(outcome, ProviderClosedError):
            what = {"provider": source.provider.name, "point": str(point.coordinates), "reason": str(outcome)}
            log.warning("a quantity's provider failed, asking the next", quantity=quantity, **what)
        return None
    return outcome


def replace_quantity(found: Observation, quantity: str, giver: Observation | None) -> Observation:
    """The observation with the value of another provider; None where nobody gives it."""
    flags = {name: words for name, words in found.flags.items() if name != quantity}
    if giver is not None and quantity in giver.flags:
        flags[quantity] = giver.flags[quantity]
    changed: dict[str, Any] = {quantity: getattr(giver, quantity, None), "flags": flags}
    if quantity == "precipitation":
        changed["precipitation_period"] = giver.precipitation_period if giver else None
    if giver is not None:
        changed["providers"] = {**found.providers, quantity: giver.provider}
    return msgspec.structs.replace(found, **changed)

"""One observation of one point, from the providers in their order: spend, fetch, parse, check (stops 3, 4, 6 and 7)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, NoReturn

import msgspec
import stamina
from stamina.instrumentation import set_on_retry_hooks

from .check import check
from .errors import FetchError, MissingAPIKeyError, PayloadError, PermanentFetchError, ProviderClosedError, RetryableFetchError
from .fetch import Fetcher
from .gate import Gate
from .logs import get_logger
from .providers import PROVIDERS, Provider
from .settings import Settings
from .values import Coordinates, Observation, Payload, Point

log = get_logger(__name__)

# Left to itself, stamina writes a line for each retry past our logging, and so past redaction.
set_on_retry_hooks(())


#: Attempts at one call within a run, and the longest wait between two of them [s].
ATTEMPTS: Final = 3
LONGEST_WAIT: Final = 10.0


@dataclass(frozen=True, slots=True)
class Source:
    """A provider with the account that is used there, and the way to it."""

    provider: Provider
    base_url: str
    key: str = field(repr=False)
    gate: Gate = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sources:
    """Whom to ask, in order: for an observation, and for the precipitation in it."""

    observation: Sequence[Source]
    precipitation: Sequence[Source]
    #: How often to try; more than once only where nobody waits for the answer.
    attempts: int

    def gates(self) -> set[Gate]:
        """The ways to all providers."""
        return {source.gate for source in (*self.observation, *self.precipitation)}


def require_key(settings: Settings) -> None:
    """Make sure that there is something to collect with.

    Raises:
        MissingAPIKeyError: No provider of ``METEOROGRAPH_PROVIDERS`` has a key.
    """
    if all(settings.key(name) is None for name in settings.providers):
        _no_key(settings)


def sources(settings: Settings, *, wanted: int = 1, on_demand: bool = True) -> Sources:
    """The providers that the settings name and that have a key, to make about ``wanted`` calls each.

    Raises:
        MissingAPIKeyError: No provider of ``METEOROGRAPH_PROVIDERS`` has a key.
    """
    require_key(settings)
    known: dict[str, Source] = {}
    for name in (*settings.providers, *settings.precipitation_providers):
        if name not in known and (key := settings.key(name)) is not None:
            gate = Gate(name, key, settings.limits(name), wanted=wanted, on_demand=on_demand)
            known[name] = Source(PROVIDERS[name], settings.base_url(name), key, gate)
    rain = settings.precipitation_providers or settings.providers  # with none named, the observation's own
    return Sources(
        [known[name] for name in settings.providers if name in known],
        [known[name] for name in rain if name in known],
        1 if on_demand else ATTEMPTS,
    )


def _no_key(settings: Settings) -> NoReturn:
    first = PROVIDERS[settings.providers[0]]
    raise MissingAPIKeyError(
        f"no {first.title} API key: set {first.key_setting} (or {first.key_setting}_FILE) in the environment or in .env; "
        f"{first.documentation} tells how to get one"
    )


async def observe(fetcher: Fetcher, asked: Sources, point: Coordinates, *, passed_over: Collection[str] = ()) -> Observation:
    """The weather at ``point`` now, from the first provider that gives it, with precipitation from the first that has it.

    Precipitation providers in ``passed_over`` are not asked this time.

    Raises:
        FetchError: The last provider of the list did not give an answer; ``ProviderClosedError`` if it was not called.
        PayloadError: The last provider of the list gave one that cannot be read.
    """
    for source in asked.observation[:-1]:
        try:
            found = await _ask(fetcher, source, point, asked.attempts)
            break
        except (FetchError, PayloadError) as error:
            log.warning("provider failed, asking the next", provider=source.provider.name, point=str(point), reason=str(error))
    else:
        try:
            found = await _ask(fetcher, asked.observation[-1], point, asked.attempts)
        except ProviderClosedError:
            raise  # said when it was closed, not for every place
        except (FetchError, PayloadError) as error:
            last = asked.observation[-1].provider.name
            log.error("provider failed", provider=last, point=str(point), reason=str(error))  # noqa: TRY400  # the reason says all
            raise
    rain = [source for source in asked.precipitation if source.provider.name not in passed_over]
    return check(await _with_precipitation(fetcher, rain, point, found, asked.attempts))


async def _with_precipitation(
    fetcher: Fetcher, asked: Sequence[Source], point: Coordinates, found: Observation, attempts: int
) -> Observation:
    """The observation with the amount of the first provider of the list that gives one; none, if none does."""
    for source in asked:
        name = source.provider.name
        if name == found.provider:
            if found.precipitation is None:
                continue
            return found
        try:
            other = await _ask(fetcher, source, point, attempts)
        except ProviderClosedError:
            continue
        except (FetchError, PayloadError) as error:
            log.warning("precipitation failed, asking the next", provider=name, point=str(point), reason=str(error))
            continue
        if other.precipitation is None:
            log.warning("no precipitation in the answer, asking the next", provider=name, point=str(point))
            continue
        return _replace_precipitation(found, other)
    return _replace_precipitation(found, None)


def _replace_precipitation(found: Observation, other: Observation | None) -> Observation:
    flags = {name: words for name, words in found.flags.items() if name != "precipitation"}
    if other is not None and "precipitation" in other.flags:
        flags["precipitation"] = other.flags["precipitation"]
    return msgspec.structs.replace(
        found,
        precipitation=other.precipitation if other else None,
        precipitation_period=other.precipitation_period if other else None,
        providers={**found.providers, "precipitation": other.provider} if other else found.providers,
        flags=flags,
    )


async def _ask(fetcher: Fetcher, source: Source, point: Coordinates, attempts: int) -> Observation:
    """The provider's answer; what may heal is tried again, each attempt charged."""
    try:
        return await _attempt(fetcher, source, point)
    except RetryableFetchError as error:
        if attempts == 1 or (error.wait and error.wait.total_seconds() > LONGEST_WAIT):
            raise
        first = error
    # Entered on failure only: it costs more than the whole rest of a call that succeeds.
    async for attempt in stamina.retry_context(
        on=_may_heal, attempts=attempts, timeout=None, wait_initial=0.1, wait_max=LONGEST_WAIT, wait_jitter=LONGEST_WAIT / 2
    ):
        with attempt:
            if attempt.num == 1:
                raise first
            log.debug("trying again", provider=source.provider.name, point=str(point), attempt=attempt.num)
            return await _attempt(fetcher, source, point)
    raise AssertionError("the loop ends with an answer or an error")


def _may_heal(error: Exception) -> bool | timedelta:
    if not isinstance(error, RetryableFetchError):
        return False
    return error.wait if error.wait and error.wait.total_seconds() <= LONGEST_WAIT else True


async def _attempt(fetcher: Fetcher, source: Source, point: Coordinates) -> Observation:
    await source.gate.spend()
    try:
        payload = await fetcher.fetch(
            source.provider.request(source.base_url, [Point(point.latitude, point.longitude)], source.key)
        )
        observation = _parsed(source.provider, payload)
    except FetchError as error:
        await source.gate.report(error)
        raise
    await source.gate.report(None)
    return observation


def _parsed(provider: Provider, payload: Payload) -> Observation:
    try:
        found = provider.parse(payload)[0]
        if found is None:
            raise PermanentFetchError(provider.name, "nothing for this point", status=payload.status)
        return found
    except (FetchError, PayloadError):
        raise
    except Exception as error:  # a parser's fault must cost one answer and not the run
        log.exception("the parser failed", provider=provider.name)
        raise PayloadError(provider.name, f"the parser failed on the body: {type(error).__name__}", payload.body) from None

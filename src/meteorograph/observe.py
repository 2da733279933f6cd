"""One observation of one point, from the providers in their order: spend, fetch, parse, check (stops 4, 6 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import msgspec

from .check import check
from .errors import FetchError, MissingAPIKeyError, PayloadError
from .fetch import Fetcher
from .logs import get_logger
from .providers import PROVIDERS, Provider
from .settings import Settings
from .values import Coordinates, Observation

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """A provider with the account that is used there."""

    provider: Provider
    base_url: str
    key: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Whom to ask, in order: for an observation, and for the precipitation in it."""

    observation: Sequence[Source]
    precipitation: Sequence[Source]


def sources(settings: Settings) -> Sources:
    """The providers that the settings name and that have a key.

    Raises:
        MissingAPIKeyError: None of ``METEOROGRAPH_PROVIDERS`` has one.
    """
    usable = [source for name in settings.providers if (source := _source(name, settings))]
    if not usable:
        _no_key(settings)
    rain = [source for name in settings.precipitation_providers if (source := _source(name, settings))]
    return Sources(usable, rain)


def _source(name: str, settings: Settings) -> Source | None:
    key = settings.key(name)
    return Source(PROVIDERS[name], settings.base_url(name), key) if key else None


def _no_key(settings: Settings) -> NoReturn:
    first = PROVIDERS[settings.providers[0]]
    raise MissingAPIKeyError(
        f"no {first.title} API key: set {first.key_setting} (or {first.key_setting}_FILE) in the environment or in .env; "
        f"{first.documentation} tells how to get one"
    )


async def observe(fetcher: Fetcher, asked: Sources, point: Coordinates) -> Observation:
    """The weather at ``point`` now, from the first provider that gives it, with precipitation from the first that has it.

    Raises:
        FetchError: The last provider of the list did not give an answer.
        PayloadError: The last provider of the list gave one that cannot be read.
    """
    for source in asked.observation[:-1]:
        try:
            found = await _ask(fetcher, source, point)
            break
        except (FetchError, PayloadError) as error:
            log.warning("provider failed, asking the next", provider=source.provider.name, point=str(point), reason=str(error))
    else:
        try:
            found = await _ask(fetcher, asked.observation[-1], point)
        except (FetchError, PayloadError) as error:
            last = asked.observation[-1].provider.name
            log.error("provider failed", provider=last, point=str(point), reason=str(error))  # noqa: TRY400  # the reason says all
            raise
    return check(await _with_precipitation(fetcher, asked.precipitation, point, found))


async def _with_precipitation(fetcher: Fetcher, asked: Sequence[Source], point: Coordinates, found: Observation) -> Observation:
    """The observation with the amount of the first provider of the list that gives one; none, if none does."""
    for source in asked:
        name = source.provider.name
        if name == found.provider:
            if found.precipitation is None:
                continue
            return found
        try:
            other = await _ask(fetcher, source, point)
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


async def _ask(fetcher: Fetcher, source: Source, point: Coordinates) -> Observation:
    payload = await fetcher.fetch(source.provider.request(source.base_url, point, source.key))
    try:
        return source.provider.parse(payload)
    except (FetchError, PayloadError):
        raise
    except Exception as error:  # a parser's fault must cost one answer and not the run
        log.exception("the parser failed", provider=source.provider.name)
        reason = f"the parser failed on the body: {type(error).__name__}"
        raise PayloadError(source.provider.name, reason, payload.body) from None

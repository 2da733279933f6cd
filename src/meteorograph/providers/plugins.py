"""Providers from outside packages: each entry point of the group names one ``Provider``.

One that cannot be used is left out with the reason, and costs nobody else anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from ..model.quantities import BY_NAME
from .base import Provider, one_line

GROUP: Final = "meteorograph.providers"

#: The windows that an account can be held to, as in ``quota.WINDOWS``.
WINDOWS: Final = ("minute", "hour", "day", "month")


def load(built_in: Mapping[str, Provider]) -> tuple[dict[str, Provider], dict[str, str]]:
    """The providers of outside packages that can be used, by name, and of the others why not, by entry point."""
    found: dict[str, Provider] = {}
    broken: dict[str, str] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        try:
            provider = _loaded(entry)
            reason = "; ".join((*faults(provider), *_taken(provider, [*built_in.values(), *found.values()])))
            if provider.name != entry.name:
                reason = reason or f"the entry point must be called {provider.name}, as the provider is"
        except Exception as error:  # whatever it is, it is the plug-in's
            reason = f"{type(error).__name__}: {one_line(str(error)) or 'no reason told'}"
        if reason:
            broken[entry.name] = f"the provider plug-in {entry.name} ({entry.value}) cannot be used: {reason}"
        else:
            found[provider.name] = provider
    return found, broken


def _loaded(entry: EntryPoint) -> Provider:
    provider = entry.load()
    if not isinstance(provider, Provider):
        raise TypeError(f"it must name a Provider and names a {type(provider).__name__}")
    return provider


def faults(provider: Provider) -> Iterator[str]:
    """What is wrong with a provider's metadata, each in a few words."""
    if not re.fullmatch(r"[a-z][a-z0-9-]*", provider.name):
        yield f"its name {provider.name!r} must be small letters, digits and hyphens"
    if provider.key_setting is not None and not re.fullmatch(r"[A-Z][A-Z0-9_]*_API_KEY", provider.key_setting):
        yield f"key_setting={provider.key_setting} must be capitals that end in _API_KEY"
    for setting in _settings(provider):
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", setting):
            yield f"setting={setting!r} must be capitals, digits and underscores"
    for address in (provider.base_url, *(history.base_url for history in provider.history if history.base_url)):
        if not re.fullmatch(r"https?://[^\s?#]*[^\s?#/]", address):
            yield f"base_url={address} must be an http:// or https:// address"
    for windows in (provider.windows, *(history.windows for history in provider.history)):
        if not windows.keys() <= set(WINDOWS) or any(limit < 1 for limit in windows.values()):
            yield f"windows={dict(windows)} must be calls of at least 1 by {', '.join(WINDOWS)}"
    if not provider.quantities or not provider.quantities.keys() <= BY_NAME.keys():
        yield f"quantities must be some of {', '.join(BY_NAME)}"
    if provider.most < 1 or provider.cost <= 0:
        yield "most must be at least 1, and cost above 0"


def _taken(provider: Provider, others: Iterable[Provider]) -> Iterator[str]:
    """What it would share with a provider that is there already, which is first come, first served."""
    for other in others:
        if provider.name == other.name:
            yield f"there is a provider {other.name} already"
        elif {provider.name, *_accounts(provider)} & {other.name, *_accounts(other)}:
            yield f"an account of its history is one of {other.name}"
        if set(_settings(provider)) & set(_settings(other)):
            yield f"setting={provider.setting} is taken by {other.name}"
        if provider.key_setting and provider.key_setting == other.key_setting:
            yield f"key_setting={provider.key_setting} is taken by {other.name}"


def _settings(provider: Provider) -> list[str]:
    return [provider.setting, *(history.setting for history in provider.history if history.setting)]


def _accounts(provider: Provider) -> list[str]:
    return [history.account for history in provider.history]

"""Providers of other packages: each entry point of the group names one ``Provider``.

A plug-in that cannot be used is left out, with the reason; all others still work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from ..model.quantities import BY_NAME
from .base import OLDEST_MAX_AGE, Provider, one_line

GROUP: Final = "meteorograph.providers"

#: The quota windows of an account, as in ``quota.WINDOWS``.
WINDOWS: Final = ("minute", "hour", "day", "month")


def load_plugins(built_in: Mapping[str, Provider]) -> tuple[dict[str, Provider], dict[str, str]]:
    """Load the plug-ins; gives the usable providers by name, and by entry point why the other plug-ins cannot be used."""
    usable: dict[str, Provider] = {}
    broken: dict[str, str] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        try:
            provider = _load(entry)
            reason = "; ".join((*find_faults(provider), *_conflicts(provider, [*built_in.values(), *usable.values()])))
            if provider.name != entry.name:
                reason = reason or f"the entry point must have the name of its provider, {provider.name}"
        except Exception as error:  # a plug-in may raise anything; it must not stop the others
            reason = f"{type(error).__name__}: {one_line(str(error)) or 'no reason given'}"
        if reason:
            broken[entry.name] = f"the provider plug-in {entry.name} ({entry.value}) cannot be used: {reason}"
        else:
            usable[provider.name] = provider
    return usable, broken


def _load(entry: EntryPoint) -> Provider:
    provider = entry.load()
    if not isinstance(provider, Provider):
        raise TypeError(f"the entry point must name a Provider, but names a {type(provider).__name__}")
    return provider


def find_faults(provider: Provider) -> Iterator[str]:
    """The faults of a provider's metadata, each in a few words."""
    if not re.fullmatch(r"[a-z][a-z0-9-]*", provider.name):
        yield f"name={provider.name!r} must be lower-case letters, digits and hyphens"
    if provider.key_setting is not None and not re.fullmatch(r"[A-Z][A-Z0-9_]*_API_KEY", provider.key_setting):
        yield f"key_setting={provider.key_setting} must be upper-case letters that end in _API_KEY"
    for setting in _settings(provider):
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", setting):
            yield f"setting={setting!r} must be upper-case letters, digits and underscores"
    for address in (provider.base_url, *(history.base_url for history in provider.history if history.base_url)):
        if not re.fullmatch(r"https?://[^\s?#]*[^\s?#/]", address):
            yield f"base_url={address} must be an http:// or https:// address"
    for windows in (provider.windows, *(history.windows for history in provider.history)):
        if not windows.keys() <= set(WINDOWS) or any(limit < 1 for limit in windows.values()):
            yield f"windows={dict(windows)} must give at least 1 call for each window, of {', '.join(WINDOWS)}"
    if not provider.quantities or not provider.quantities.keys() <= BY_NAME.keys():
        yield f"quantities must be some of {', '.join(BY_NAME)}"
    if not timedelta(minutes=1) <= provider.max_age <= OLDEST_MAX_AGE:
        yield f"max_age={provider.max_age} must be between a minute and {OLDEST_MAX_AGE // timedelta(hours=1)} hours"
    if provider.most < 1 or provider.cost <= 0:
        yield "most must be at least 1, and cost above 0"


def _conflicts(provider: Provider, others: Iterable[Provider]) -> Iterator[str]:
    """Names that the provider shares with one that was loaded before it; the first provider keeps them."""
    for other in others:
        if provider.name == other.name:
            yield f"a provider with the name {other.name} exists already"
        elif {provider.name, *_accounts(provider)} & {other.name, *_accounts(other)}:
            yield f"an account of its history belongs to {other.name}"
        if set(_settings(provider)) & set(_settings(other)):
            yield f"setting={provider.setting} is taken by {other.name}"
        if provider.key_setting and provider.key_setting == other.key_setting:
            yield f"key_setting={provider.key_setting} is taken by {other.name}"


def _settings(provider: Provider) -> list[str]:
    return [provider.setting, *(history.setting for history in provider.history if history.setting)]


def _accounts(provider: Provider) -> list[str]:
    return [history.account for history in provider.history]

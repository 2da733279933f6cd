"""An account with a provider: how many calls each of its windows holds, and in which zone its days begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """An account, as far as its quotas are concerned."""

    #: Name of the provider, or of the separate account of its history.
    name: str
    #: Window (``minute``, ``hour``, ``day`` or ``month``, shortest first) → calls that it holds; empty without quotas.
    limits: Mapping[str, int]
    #: IANA zone in which the provider's days and months begin.
    zone: str

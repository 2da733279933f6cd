"""What to change where the quota of the plan's first provider is too small. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from ..config.settings import Settings
from ..model.words import counted
from ..providers.registry import PROVIDERS
from . import quota
from .call_plan import CallPlan, ProviderPlan, ScheduleGroup, interval_text, plan_provider

#: Hours between two slots that divide a day, so that a cron expression can have them.
_HOURS: Final = (2, 3, 4, 6, 8, 12, 24)


def proposals(plan: CallPlan, settings: Settings, now: datetime) -> list[str]:
    """Changes of which each one would make the plan hold; none where it holds already."""
    main = plan.providers[0]
    if main.holds:
        return []
    return [*_interval(main), *_other_providers(main, plan.groups, settings, now), *_staggering(main, settings)]


def _interval(main: ProviderPlan) -> Iterator[str]:
    """A longer interval for all locations."""
    if main.shortest is not None:
        text = interval_text(main.shortest)
        places = counted(main.locations, "location")
        yield f"a longer interval: {places} every {text} (METEOROGRAPH_INTERVAL={text.replace(' ', '').replace('min', 'm')})"


def _other_providers(main: ProviderPlan, groups: Sequence[ScheduleGroup], settings: Settings, now: datetime) -> Iterator[str]:
    """A second provider that can be used and could take all slots; it is called once the quota of the first is used up.

    One that answers by station has none at many places.
    """
    for name, provider in PROVIDERS.items():
        if name != main.provider and provider.stations is None and settings.key(name) is not None:
            if plan_provider(name, "observation", groups, settings, now).holds:
                order = ",".join(dict.fromkeys((*settings.providers, name)))
                yield f"a second provider: {provider.title} takes the slots that are left (METEOROGRAPH_PROVIDERS={order})"


def _staggering(main: ProviderPlan, settings: Settings) -> Iterator[str]:
    """Groups of locations with slots in different hours, where one hour is too short for all of them."""
    limits = settings.account(main.provider).limits
    usable = {window: limit - quota.reserve_of(limit) for window, limit in limits.items()}
    per_hour = min(usable.get("minute", math.inf) * 60, usable.get("hour", math.inf))
    for hours in _HOURS:
        group = math.ceil(main.locations / hours)
        days = timedelta(days=31) // timedelta(days=1)
        calls = main.locations * (24 // hours)
        if group <= per_hour and calls <= usable.get("day", math.inf) and calls * days <= usable.get("month", math.inf):
            if main.locations > per_hour:
                first, last = _cron(0, hours), _cron(hours - 1, hours)
                yield (
                    f"staggering: each location every {hours} h, in {hours} groups of up to {group:,} with the schedules "
                    f"'{first}' to '{last}' (meteorograph locations edit NAME --schedule)"
                )
            return


def _cron(hour: int, hours: int) -> str:
    return f"0 {hour}-23/{hours} * * *"

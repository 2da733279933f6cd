"""Plan the calls of the configuration against the quotas of each provider, and find what would fit. Pure.

The plan counts one call per location and slot. Retries and collection on demand come in addition. The schedule may spend what
``quota.reserve_of`` leaves of a limit, as in ``quota.spend``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Final

from ..config.settings import Settings
from ..i18n import Phrase, joined, phrase_n
from ..model.schedule import Interval, Schedule, default_grace
from ..providers.registry import PROVIDERS
from . import quota
from .plan_words import either, shortage

MONTH: Final = timedelta(days=31)

_LENGTHS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1), "month": MONTH}

#: Intervals that the plan may propose, shortest first.
LADDER: Final = tuple(
    timedelta(minutes=minutes) for minutes in (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440)
)


@dataclass(frozen=True, slots=True)
class ScheduleGroup:
    """Locations that share a schedule."""

    #: Name of the schedule: ``default``, or its text.
    name: str
    schedule: Schedule
    locations: int


@dataclass(frozen=True, slots=True)
class SlotCounts:
    """The slots of a schedule."""

    #: Window → slots in its busiest period.
    most: dict[str, int]
    #: Time to collect one slot.
    time: timedelta
    #: The slots of the next 31 days; None where the time to collect one lasts until the next one.
    instants: tuple[datetime, ...] | None = None


@dataclass(frozen=True, slots=True)
class WindowNeed:
    """Calls that one window needs."""

    window: str
    #: Calls in its busiest period; of a minute the mean over the time of a slot, since calls wait for the next minute.
    calls: int
    #: Calls that the account holds; None where it has no such window.
    limit: int | None

    @property
    def usable(self) -> int | None:
        """Calls that the schedule may spend."""
        return None if self.limit is None else self.limit - quota.reserve_of(self.limit)

    @property
    def holds(self) -> bool:
        """Whether the quota is large enough."""
        return self.usable is None or self.calls <= self.usable


@dataclass(frozen=True, slots=True)
class ProviderPlan:
    """The planned calls of one provider."""

    provider: str
    title: str
    #: ``observation``, ``precipitation`` (single quantities, usually this one), or ``fallback`` (called after failures only).
    role: str
    needs: tuple[WindowNeed, ...]
    #: Locations that are collected now, and how many the quotas allow with the same schedules.
    locations: int
    most_locations: int
    #: The interval of all locations; None where they differ, or follow a cron expression.
    interval: timedelta | None
    #: The shortest interval of ``LADDER`` for these locations; None if even a day is too short.
    shortest: timedelta | None
    #: Minutes that a slot takes with the quota of the minute; None without such a quota.
    slot_minutes: int | None
    #: Share of the slots that get their precipitation here, where the provider is called for nothing else.
    share: Fraction | None
    #: Title of the provider that gives the precipitation of the other slots; None where they have none.
    others: str | None

    @property
    def holds(self) -> bool:
        """Whether the quotas are large enough; a provider of precipitation gives as many slots as its quota allows."""
        return self.role != "observation" or all(need.holds for need in self.needs)

    @property
    def sentence(self) -> Phrase:
        """The plan in words."""
        if self.role == "fallback":
            return Phrase("{provider} is called only when the providers before it fail.", provider=self.title)
        if not self.locations:
            return Phrase("{provider} is not called: no location is active.", provider=self.title)
        return self._share() if self.role == "precipitation" else self._verdict()

    def _share(self) -> Phrase:
        if not self.share:
            return Phrase("{provider} has no calls for the schedule.", provider=self.title)
        if self.share == 1:
            return Phrase("{provider} gives the precipitation of every slot.", provider=self.title)
        rest = (
            Phrase("the others get it from {provider}", provider=self.others) if self.others else Phrase("the others have none")
        )
        percent = math.floor(self.share * 100)
        part = Phrase("{percent} %", percent=percent) if percent else Phrase("less than 1 %")
        return Phrase(
            "{provider} gives the precipitation of {part} of slots, spread evenly; {rest}.",
            provider=self.title,
            part=part,
            rest=rest,
        )

    def _verdict(self) -> Phrase:
        these = phrase_n("this one", "these {count:,}", self.locations)
        fits = []
        if self.most_locations:
            fits = [phrase_n("{count:,} location at this schedule", "{count:,} locations at this schedule", self.most_locations)]
        if self.shortest and self.shortest != self.interval:
            fits.append(Phrase("{these} every {interval}", these=these, interval=interval_text(self.shortest)))
        if self.holds:
            large = Phrase("The quota of {provider} is large enough.", provider=self.title)
            fit, minutes = Phrase("Up to {places} would fit.", places=either(fits)), self.slot_minutes or 0
            takes = (
                [phrase_n("A slot takes {count:,} minute.", "A slot takes {count:,} minutes.", minutes)] if minutes > 1 else []
            )
            return joined([large, *takes, fit])
        short = joined([shortage(need.window, need.calls, need.usable or 0) for need in self.needs if not need.holds], "; ")
        none = Phrase("not even one location at this schedule, or {these} every 24 h", these=these)
        return Phrase(
            "The quota of {provider} is too small: {shortages}. What would fit: {places}.",
            provider=self.title,
            shortages=short,
            places=either(fits) if fits else none,
        )


@dataclass(frozen=True, slots=True)
class CallPlan:
    """The plan of all providers."""

    groups: tuple[ScheduleGroup, ...]
    providers: tuple[ProviderPlan, ...]

    @property
    def holds(self) -> bool:
        """Whether the quotas are large enough to collect every location in every slot."""
        return all(provider.holds for provider in self.providers)


def make_plan(groups: Sequence[ScheduleGroup], settings: Settings, now: datetime) -> CallPlan:
    """Calls that the locations of ``groups`` need from the providers of ``settings`` in the 31 days from ``now`` (aware UTC)."""
    usable = [name for name in settings.providers if settings.key(name) is not None] or settings.providers
    main = usable[0]
    plans = {main: plan_provider(main, "observation", groups, settings, now)}
    for names in settings.quantity_orders().values():
        candidates = [name for name in names if settings.key(name) is not None or name == main]
        for name in candidates[: candidates.index(main)] if main in candidates else candidates:
            rest = candidates[candidates.index(name) + 1 :]
            others = PROVIDERS[rest[0]].title if rest else None
            if name not in plans:
                plans[name] = plan_provider(name, "precipitation", groups, settings, now, others)
    for name in settings.named_providers:
        if settings.key(name) is not None and name not in plans:
            plans[name] = plan_provider(name, "fallback", (), settings, now)
    return CallPlan(tuple(groups), tuple(plans.values()))


def count_slots(schedule: Schedule, now: datetime, zone: str, grace: timedelta | None = None) -> SlotCounts:
    """Slots of a schedule in its busiest hour, day and month: on its grid, or, for cron, in the 31 days from ``now``.

    Args:
        schedule: The schedule.
        now: The current instant.
        zone: The zone in which the provider's days begin.
        grace: How long a slot may be collected; None for the default.
    """
    time = default_grace(schedule) if grace is None else grace
    if isinstance(schedule, Interval) and schedule.length <= time:
        return _count_regular(schedule.length, grace)
    instants = tuple(schedule.slots_between(now - timedelta(microseconds=1), now + MONTH))
    if isinstance(schedule, Interval):
        return replace(_count_regular(schedule.length, grace), instants=instants)
    most = {"month": len(instants)}
    for window in ("hour", "day"):
        most[window] = max(Counter(quota.period_start(window, slot, zone) for slot in instants).values(), default=0)
    time = min((time, *(later - earlier for earlier, later in pairwise(instants))))
    return SlotCounts(most, time, instants)


def _count_regular(length: timedelta, grace: timedelta | None) -> SlotCounts:
    time = min(length, default_grace(Interval(length)) if grace is None else grace)
    return SlotCounts({window: math.ceil(whole / length) for window, whole in _LENGTHS.items()}, time)


def interval_text(length: timedelta) -> str:
    """An interval in words: ``15 min``, ``3 h``."""
    seconds = int(length.total_seconds())
    for unit, word in ((3600, "h"), (60, "min")):
        if seconds % unit == 0:
            return f"{seconds // unit} {word}"
    return f"{seconds} s"


def plan_provider(
    name: str, role: str, groups: Sequence[ScheduleGroup], settings: Settings, now: datetime, others: str | None = None
) -> ProviderPlan:
    """The calls that one provider needs for the locations of ``groups``, against its quotas."""
    account = settings.account(name)
    slots = [(count_slots(group.schedule, now, account.zone, settings.grace), group.locations) for group in groups]
    load = {window: _load(window, slots) for window in quota.WINDOWS}
    locations = sum(group.locations for group in groups)
    lengths = {group.schedule.length if isinstance(group.schedule, Interval) else None for group in groups}
    # Calls that a minute does not hold wait for the next one, so the mean of the minutes counts.
    usable = {window: limit - quota.reserve_of(limit) for window, limit in account.limits.items()}
    ratio = min((Fraction(usable[window]) / load[window] for window in usable if load[window]), default=Fraction(1))
    share = None
    if role == "precipitation":
        share = min(Fraction(1), ratio)
        load = {window: calls * share for window, calls in load.items()}
    return ProviderPlan(
        provider=name,
        title=PROVIDERS[name].title,
        role=role,
        needs=tuple(WindowNeed(window, math.ceil(load[window]), account.limits.get(window)) for window in quota.WINDOWS),
        locations=locations,
        most_locations=math.floor(locations * ratio),
        interval=lengths.pop() if len(lengths) == 1 else None,
        shortest=_shortest(locations, usable, settings.grace),
        slot_minutes=math.ceil(locations / usable["minute"]) if usable.get("minute") and role == "observation" else None,
        share=share,
        others=others,
    )


def _load(window: str, groups: Sequence[tuple[SlotCounts, int]]) -> Fraction:
    """Calls in the busiest period of a window, of groups of slots and locations."""
    if window == "minute":
        return _busiest_minute(groups)
    return Fraction(sum(slots.most[window] * locations for slots, locations in groups))


def _busiest_minute(groups: Sequence[tuple[SlotCounts, int]]) -> Fraction:
    """Calls of a minute, as a mean over the time of a slot, where most slots are collected at once."""
    always, changes = Fraction(0), []
    for slots, locations in groups:
        rate = Fraction(locations * 60) / _seconds(slots.time)
        if slots.instants is None:
            always += rate
        else:
            changes += [(slot, rate) for slot in slots.instants]
            changes += [(slot + slots.time, -rate) for slot in slots.instants]
    return always + max(accumulate((rate for _, rate in sorted(changes)), initial=Fraction(0)))


def _seconds(length: timedelta) -> Fraction:
    return Fraction(length // timedelta(microseconds=1), 1_000_000)


def _shortest(locations: int, usable: dict[str, int], grace: timedelta | None) -> timedelta | None:
    for length in LADDER:
        slots = [(_count_regular(length, grace), locations)]
        if all(_load(window, slots) <= calls for window, calls in usable.items()):
            return length
    return None

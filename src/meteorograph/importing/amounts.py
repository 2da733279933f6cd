"""Amounts of precipitation, with their periods, from what files give: amounts, rates, and counters. Pure.

A row says what fell since something: in a fixed time before it, since the row before it, or, for a counter, since the counter was
set to zero. Nothing is guessed: where the time is not known, the amount has no period, and totals count it as unknown; where a
counter goes back without a reset, there is no amount.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final, Literal, NamedTuple

from ..model.time_range import parse_duration
from ..model.valid_time import MAX_PERIOD

Kind = Literal["amount", "rate", "counter"]

AMOUNT_ALLOWED: Final = (
    "must say what the value is: amount:1h (fell in the hour before), amount:previous (fell since the row before), amount:day "
    "(of a date), rate:5m or rate:previous (such as mm/h), counter:never, counter:day or counter:day@09:00 (when it begins "
    "again from 0)"
)

#: A difference that is smaller is noise of binary fractions [mm].
_NOISE: Final = 1e-6
_DECIMALS: Final = 4


@dataclass(frozen=True, slots=True)
class AmountRule:
    """What the values of a column of precipitation are."""

    kind: Kind
    #: Time of an amount or rate; None for the time since the row before.
    window: timedelta | None = None
    #: Whether the amount is that of a date.
    is_daily: bool = False
    #: Local time at which a counter is set to zero every day; None for never.
    reset: time | None = None


class Amount(NamedTuple):
    """An amount [mm] with its period [s], or why there is none."""

    value: float | None
    period: int | None
    problem: str = ""


def parse_rule(kind: str, span: str) -> AmountRule:
    """The rule that two words of a column's mapping give.

    Raises:
        ValueError: The words are unknown; the message says what is allowed.
    """
    try:
        if kind == "counter":
            word, _, at = span.partition("@")
            if word == "never" and not at:
                return AmountRule("counter")
            if word == "day":
                return AmountRule("counter", reset=time.fromisoformat(at or "00:00"))
        elif kind in ("amount", "rate"):
            known: Kind = "amount" if kind == "amount" else "rate"
            if span == "day" and known == "amount":
                return AmountRule(known, is_daily=True)
            if span == "previous":
                return AmountRule(known)
            window = parse_duration(span)
            if timedelta(0) < window <= timedelta(seconds=MAX_PERIOD):
                return AmountRule(known, window)
    except ValueError:
        pass
    raise ValueError(AMOUNT_ALLOWED)


class AmountReader:
    """Reads the amounts of one column of one location, in the order of time.

    Args:
        rule: What the values are.
        zone: Zone in which a counter is set to zero.
    """

    def __init__(self, rule: AmountRule, zone: tzinfo | None) -> None:
        self.rule = rule
        self._zone = zone or UTC
        self._before: tuple[datetime, float | None] | None = None

    @property
    def needs_order(self) -> bool:
        """Whether a row can be read only after the rows before it."""
        return self.rule.window is None and not self.rule.is_daily

    @property
    def last(self) -> datetime | None:
        """Time of the row before."""
        return self._before and self._before[0]

    def read(self, at: datetime, value: float | None, length: timedelta | None) -> Amount:
        """The amount of a row.

        Args:
            at: End of its time (aware UTC).
            value: [mm], or [mm/h] for a rate; None if the row has none.
            length: Time of a daily row.
        """
        before = self._before
        if self.rule.kind == "counter":
            if value is not None or before is None:
                self._before = (at, value)
            return self._from_counter(at, value, before)
        self._before = (at, value)
        if value is None:
            return Amount(None, None)
        span = length if self.rule.is_daily else self.rule.window or (at - before[0] if before else None)
        if self.rule.kind == "rate":
            if span is None or span.total_seconds() > MAX_PERIOD:
                return Amount(None, None, "a rate has no row before it that says for how long it holds")
            return Amount(round(value * span.total_seconds() / 3600, _DECIMALS), int(span.total_seconds()))
        seconds = None if span is None else int(span.total_seconds())
        return Amount(value, seconds if seconds is not None and 0 < seconds <= MAX_PERIOD else None)

    def _from_counter(self, at: datetime, value: float | None, before: tuple[datetime, float | None] | None) -> Amount:
        if value is None:
            return Amount(None, None)
        reset = self._last_reset(at)
        if reset is not None and (before is None or before[1] is None or before[0] <= reset):
            return Amount(value, int((at - reset).total_seconds()))
        if before is None or before[1] is None:
            return Amount(None, None, "the first value of a counter says nothing of what fell before")
        difference = round(value - before[1], _DECIMALS)
        if difference < -_NOISE:
            return Amount(None, None, "a counter went back, so that what fell in between is not known")
        seconds = int((at - before[0]).total_seconds())
        return Amount(max(0.0, difference), seconds if seconds <= MAX_PERIOD else None)

    def _last_reset(self, at: datetime) -> datetime | None:
        """The last instant before ``at`` at which the counter was set to zero; None if that never happens."""
        if self.rule.reset is None:
            return None
        day = at.astimezone(self._zone).date()
        while True:
            reset = datetime.combine(day, self.rule.reset, self._zone).astimezone(UTC)
            if reset < at:
                return reset
            day -= timedelta(days=1)

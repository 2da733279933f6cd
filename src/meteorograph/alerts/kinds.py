"""The kinds of rules: what each watches, its limit, and its times. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ..i18n import Phrase
from ..model.states import AlertKind

_SOON: Final = timedelta(minutes=10)
_AT_ONCE: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class KindSpec:
    """What a kind of rule watches."""

    #: The condition in words; ``{limit}`` stands for the limit with its unit.
    condition: Phrase
    #: What its subjects are: ``location``, ``provider`` or ``host``.
    subject: str = "location"
    #: Unit of the limit; None if the kind has no limit.
    unit: str | None = None
    #: The limit where the rule has none; None if the rule must have one.
    limit: float | None = None
    #: The range of the limit.
    allowed: tuple[float, float] = (0, 0)
    #: How far beyond the limit, in its unit, or by which share of the limit, a value must return before the incident may end.
    clear_step: float = 0
    clear_share: float = 0
    #: Whether values below the limit fulfil the condition, and not those above it.
    is_below: bool = False
    #: How long the condition must hold until an incident opens, and be over until it is resolved, where the rule does not say.
    hold: timedelta = _AT_ONCE
    clear: timedelta = _AT_ONCE
    #: Whether it is about the weather: there, each evaluation with new places opens an incident of its own.
    is_weather: bool = False

    def condition_with(self, limit: str, hours: int | str | None) -> Phrase:
        """The condition with its limit and hours."""
        return Phrase(self.condition.message, limit=limit, hours=hours)


KINDS: Final[dict[AlertKind, KindSpec]] = {
    AlertKind.NO_DATA: KindSpec(
        Phrase("no observation stored for more than {limit}"), unit="h", limit=3, allowed=(0.01, 8760), hold=_SOON
    ),
    AlertKind.GAP: KindSpec(Phrase("{limit} or more missed slots in 24 hours"), unit="", limit=3, allowed=(1, 10_000)),
    AlertKind.OLD_OBSERVATIONS: KindSpec(Phrase("the provider repeats old observations"), hold=_SOON),
    AlertKind.PROVIDER_CLOSED: KindSpec(Phrase("the provider fails and is left alone for a while"), "provider", hold=_SOON),
    AlertKind.KEY_REFUSED: KindSpec(Phrase("the provider does not accept the key"), "provider"),
    AlertKind.QUOTA_RUNS_OUT: KindSpec(Phrase("the quota is used up, or will be before it resets"), "provider"),
    AlertKind.DISK: KindSpec(
        Phrase("less than {limit} of disk space left"), "host", "MB", 500, (1, 1_000_000_000), clear_share=0.1, is_below=True
    ),
    AlertKind.CLOCK: KindSpec(Phrase("the clock of the machine is wrong"), "host"),
    AlertKind.AUDIT_HOLE: KindSpec(Phrase("the audit found slots without an account"), "host"),
    AlertKind.RAIN: KindSpec(
        Phrase("{limit} of precipitation or more in {hours} h"), unit="mm", allowed=(0.1, 5000), clear_share=0.1, is_weather=True
    ),
    AlertKind.WIND: KindSpec(
        Phrase("wind of {limit} or more"),
        unit="m/s",
        allowed=(0.1, 150),
        clear_share=0.1,
        clear=timedelta(hours=1),
        is_weather=True,
    ),
    AlertKind.GUST: KindSpec(
        Phrase("gusts of {limit} or more"),
        unit="m/s",
        allowed=(0.1, 200),
        clear_share=0.1,
        clear=timedelta(hours=1),
        is_weather=True,
    ),
    AlertKind.FROST: KindSpec(
        Phrase("temperature of {limit} or less"),
        unit="°C",
        limit=0,
        allowed=(-90, 60),
        clear_step=1,
        clear=timedelta(hours=1),
        is_below=True,
        is_weather=True,
    ),
    AlertKind.HEAT: KindSpec(
        Phrase("temperature of {limit} or more"),
        unit="°C",
        allowed=(-90, 60),
        clear_step=1,
        clear=timedelta(hours=1),
        is_weather=True,
    ),
    AlertKind.PRESSURE_FALL: KindSpec(
        Phrase("pressure falls by {limit} or more in 3 h"),
        unit="hPa",
        limit=6,
        allowed=(0.1, 100),
        clear_share=0.25,
        clear=timedelta(hours=1),
        is_weather=True,
    ),
}

#: The kinds that watch the service itself; ``alerts add --operations`` adds a rule for each.
OPERATIONS: Final = tuple(kind for kind, spec in KINDS.items() if not spec.is_weather)

#: The hours over which precipitation may be summed.
RAIN_HOURS: Final = (1, 3, 24, 72)


def limit_text(kind: AlertKind, limit: float) -> Phrase:
    """A limit with its unit."""
    unit = KINDS[kind].unit
    pattern = "{limit:g} {unit}" if unit else "{limit:g}"  # the same in every language
    return Phrase(pattern, limit=limit, unit=unit)


def condition_text(kind: AlertKind, limit: float | None, hours: int | None) -> Phrase:
    """The condition of a rule in words."""
    text: str = "" if limit is None else limit_text(kind, limit)
    return KINDS[kind].condition_with(text, hours)

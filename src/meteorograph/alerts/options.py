"""The options of a rule: their types, their checks, and their defaults. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from datetime import datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from ..errors import FieldError, InvalidRuleError
from ..model.names import is_plain
from ..model.states import AlertKind
from ..model.time_range import DURATION_ALLOWED, parse_duration
from .kinds import KINDS, RAIN_HOURS

#: Shortest time between two messages of an incident that goes on.
MIN_REPEAT: Final = timedelta(minutes=10)

_DAY: Final = timedelta(days=1)
_MAX_DURATION: Final = timedelta(days=30)
_MAX_NAMES: Final = 1000


class RuleOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The options of a rule; None is the default of its kind."""

    #: In the unit of the kind.
    limit: float | None = None
    #: The value that a place must return to before its incident may end.
    clear_limit: float | None = None
    #: Of ``rain``: how many hours are summed.
    hours: int | None = None
    #: Names of the places, or their tag; all scheduled places without both.
    locations: list[str] = []
    tag: str | None = None
    #: How long the condition must hold, and be over, as durations such as ``10m``.
    hold: str | None = None
    clear: str | None = None
    #: When no message is sent, such as ``22:00-07:00``, and in which zone.
    quiet: str | None = None
    zone: str = "UTC"
    #: After how long an incident that goes on is reported again; never without it.
    repeat: str | None = None
    recovery: bool = True
    #: Names of channels and webhooks; all without it.
    channels: list[str] = []

    def limit_of(self, kind: AlertKind) -> float | None:
        """The limit."""
        return self.limit if self.limit is not None else KINDS[kind].limit

    def clear_limit_of(self, kind: AlertKind) -> float:
        """The value on the other side of which the condition is over."""
        if self.clear_limit is not None:
            return self.clear_limit
        spec, limit = KINDS[kind], self.limit_of(kind) or 0.0
        step = spec.clear_step + spec.clear_share * abs(limit)
        return limit + step if spec.is_below else limit - step

    def hold_of(self, kind: AlertKind) -> timedelta:
        """How long the condition must hold."""
        return KINDS[kind].hold if self.hold is None else parse_duration(self.hold)

    def clear_of(self, kind: AlertKind) -> timedelta:
        """How long the condition must be over."""
        return KINDS[kind].clear if self.clear is None else parse_duration(self.clear)

    @property
    def repeat_every(self) -> timedelta | None:
        """After how long an incident that goes on is reported again."""
        return None if self.repeat is None else parse_duration(self.repeat)

    def quiet_until(self, now: datetime) -> datetime | None:
        """The end of the quiet hours that ``now`` lies in (aware UTC); None outside of them."""
        if self.quiet is None:
            return None
        start, end = parse_quiet(self.quiet)
        local = now.astimezone(ZoneInfo(self.zone))
        at = local.timetz().replace(tzinfo=None, fold=0)
        is_quiet = start <= at < end if start < end else at >= start or at < end
        if not is_quiet:
            return None
        last = local.date() if at < end else local.date() + _DAY
        return datetime.combine(last, end, local.tzinfo).astimezone(now.tzinfo)


def parse_quiet(text: str) -> tuple[time, time]:
    """The start and the end of quiet hours.

    Raises:
        ValueError: The text is none.
    """
    start, separator, end = text.partition("-")
    if not separator:
        raise ValueError(text)
    first, last = time.fromisoformat(start.strip()), time.fromisoformat(end.strip())
    if first == last or first.tzinfo or last.tzinfo:
        raise ValueError(text)
    return first, last


def parse_options(kind: AlertKind, fields: dict[str, Any], channels: Collection[str]) -> RuleOptions:
    """Check the options of a rule.

    Args:
        kind: Its kind.
        fields: The options by name; None is the default.
        channels: Names of the channels and webhooks of the settings.

    Raises:
        InvalidRuleError: An option is invalid.
    """
    try:
        options = msgspec.convert({name: value for name, value in fields.items() if value is not None}, RuleOptions)
    except msgspec.ValidationError as error:
        raise InvalidRuleError([FieldError("options", fields, str(error))]) from None
    errors = [*_value_errors(kind, options), *_time_errors(options), *_name_errors(kind, options, channels)]
    if errors:
        raise InvalidRuleError(errors)
    return options


def _value_errors(kind: AlertKind, options: RuleOptions) -> Iterator[FieldError]:
    spec, limit = KINDS[kind], options.limit_of(kind)
    low, high = spec.allowed
    allowed = f"must be a number from {low:g} to {high:g} [{spec.unit}]"
    if spec.unit is None:
        for name, value in (("limit", options.limit), ("clear_limit", options.clear_limit)):
            if value is not None:
                yield FieldError(name, value, f"must not be given: {kind} has no limit")
    elif limit is None:
        yield FieldError("limit", None, allowed)
    elif not math.isfinite(limit) or not low <= limit <= high:
        yield FieldError("limit", limit, allowed)
    elif options.clear_limit is not None and not math.isfinite(options.clear_limit):
        yield FieldError("clear_limit", options.clear_limit, allowed)
    elif options.clear_limit is not None and (options.clear_limit < limit if spec.is_below else options.clear_limit > limit):
        yield FieldError("clear_limit", options.clear_limit, f"must not be {'below' if spec.is_below else 'above'} the limit")
    if kind == AlertKind.RAIN:
        if options.hours not in RAIN_HOURS:
            yield FieldError("hours", options.hours, f"must be one of {', '.join(map(str, RAIN_HOURS))}")
    elif options.hours is not None:
        yield FieldError("hours", options.hours, f"must not be given: only {AlertKind.RAIN} has hours")


def _time_errors(options: RuleOptions) -> Iterator[FieldError]:
    for name, text, least in (
        ("hold", options.hold, timedelta(0)),
        ("clear", options.clear, timedelta(0)),
        ("repeat", options.repeat, MIN_REPEAT),
    ):
        try:
            if text is not None and not least <= parse_duration(text) <= _MAX_DURATION:
                yield FieldError(name, text, f"must be from {least} to 30d")
        except ValueError:
            yield FieldError(name, text, f"must be {DURATION_ALLOWED}")
    if options.zone not in available_timezones():
        yield FieldError("zone", options.zone, "must be an IANA time zone such as Europe/Dublin")
    if options.quiet is not None:
        try:
            parse_quiet(options.quiet)
        except ValueError:
            yield FieldError("quiet", options.quiet, "must be two times of day such as 22:00-07:00")


def _name_errors(kind: AlertKind, options: RuleOptions, channels: Collection[str]) -> Iterator[FieldError]:
    is_of_places = KINDS[kind].subject == "location"
    for name, value in (("locations", options.locations), ("tag", options.tag)):
        if value and not is_of_places:
            yield FieldError(name, value, f"must not be given: {kind} is not about places")
    for name in (*options.locations, *([options.tag] if options.tag is not None else [])):
        if not name or not is_plain(name):
            yield FieldError("locations", name, "must be names without control characters, and so must a tag")
    if options.locations and options.tag:
        yield FieldError("tag", options.tag, "must not be given together with locations")
    if len(options.locations) > _MAX_NAMES:
        yield FieldError("locations", len(options.locations), f"may have {_MAX_NAMES} names at most; use a tag")
    if unknown := [name for name in options.channels if name not in channels]:
        known = ", ".join(sorted(channels)) or "none: set METEOROGRAPH_ALERT_CHANNELS"
        yield FieldError("channels", unknown[0], f"must be the name of a channel or webhook of the settings ({known})")

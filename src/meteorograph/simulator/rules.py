"""The grammar of faults on demand.

A spec consists of rules, separated by ``;`` or line breaks. A rule consists of ``key=value`` words:
``kind=status code=429 p=0.1; kind=reset``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from ..errors import ConfigurationError
from .tally import PROVIDERS, Call

STATUS_CODES = (401, 429, 500, 502, 503, 404)
#: Kind → required words, optional words.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "latency": (("ms",), ()),
    "timeout": ((), ()),
    "reset": ((), ()),
    "status": (("code",), ("retry_after",)),
    "truncated": ((), ()),
    "broken_off": ((), ()),
    "types": ((), ()),
    "text": ((), ()),
    "html": ((), ("code",)),
    "huge": (("mb",), ()),
    "slow": (("ms",), ()),
    "encoding": ((), ()),
    "null": ((), ()),
    "empty": ((), ()),
}
SELECTORS = ("provider", "place", "key", "p", "count", "since", "until")
#: Largest distance of a call from ``place`` on either axis [degree], with some room for rounding.
PLACE_TOLERANCE = 0.01 + 1e-9


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of a spec."""

    kind: str
    #: The text of the rule.
    text: str
    ms: float = 0.0
    code: int = 200
    mb: float = 0.0
    #: Value of the ``Retry-After`` header [s].
    retry_after: int | None = None
    provider: str | None = None
    place: tuple[float, float] | None = None
    key: str | None = None
    p: float = 1.0
    count: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    def covers(self, call: Call) -> bool:
        """Whether the rule applies to the provider, key, place and time of ``call``."""
        return (
            self.provider in (None, call.provider)
            and self.key in (None, call.key)
            and (self.since is None or call.at >= self.since)
            and (self.until is None or call.at < self.until)
            and (self.place is None or self._is_near(call))
        )

    def _is_near(self, call: Call) -> bool:
        latitude, longitude = self.place or (0.0, 0.0)
        distances = [(abs(north - latitude), abs(east - longitude)) for north, east in call.points]
        return any(north <= PLACE_TOLERANCE and min(east, 360 - east) <= PLACE_TOLERANCE for north, east in distances)


def parse(spec: str) -> tuple[Rule, ...]:
    """Parse the rules of a spec; an empty spec has no rules.

    Raises:
        ConfigurationError: ``spec`` violates the grammar; the message names the word and what is allowed.
    """
    texts = (" ".join(text.split()) for text in spec.replace("\n", ";").split(";"))
    return tuple(_rule(text) for text in texts if text)


def _rule(text: str) -> Rule:
    words: dict[str, str] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if not equals or not value:
            raise ConfigurationError(f"fault {text!r}: {word!r} is not of the form key=value")
        if name in words:
            raise ConfigurationError(f"fault {text!r}: {name!r} is given twice")
        words[name] = value
    kind = words.pop("kind", None)
    if kind not in KINDS:
        problem = "kind is missing" if kind is None else f"kind {kind!r} is unknown"
        raise ConfigurationError(f"fault {text!r}: {problem}; allowed: {', '.join(KINDS)}")
    required, optional = KINDS[kind]
    for name in required:
        if name not in words:
            raise ConfigurationError(f"fault {text!r}: kind={kind} needs {name}=")
    values: dict[str, Any] = {}
    for name, value in words.items():
        if name not in (*required, *optional, *SELECTORS):
            allowed = ", ".join((*required, *optional, *SELECTORS))
            raise ConfigurationError(f"fault {text!r}: {name!r} is not a word of kind={kind}; allowed: {allowed}")
        values[name] = _value(kind, name, value, text)
    return Rule(kind=kind, text=text, **values)


def _value(kind: str, name: str, value: str, text: str) -> Any:
    parse_value, allowed = (
        (_status, f"one of {', '.join(map(str, STATUS_CODES))}") if kind == "status" and name == "code" else PARSERS[name]
    )
    try:
        return parse_value(value)
    except ValueError:
        raise ConfigurationError(f"fault {text!r}: {name}={value!r} is not allowed; allowed: {allowed}") from None


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError


def _status(text: str) -> int:
    _require(int(text) in STATUS_CODES)
    return int(text)


def _within(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        _require(low <= float(text) <= high)
        return float(text)

    return read


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        _require(low <= int(text) <= high)
        return int(text)

    return read


def _provider(text: str) -> str:
    _require(text in PROVIDERS)
    return text


def _place(text: str) -> tuple[float, float]:
    latitude, longitude = (float(part) for part in text.split(","))
    _require(abs(latitude) <= 90 and abs(longitude) <= 180)
    return latitude, longitude


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    _require(at.tzinfo is not None)
    return at


#: Word → parser of its value, and what is allowed.
PARSERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "ms": (_within(0, 86_400_000), "milliseconds from 0 to 86400000"),
    "mb": (_within(0, 1000), "megabytes from 0 to 1000"),
    "code": (_whole(200, 599), "an HTTP status from 200 to 599"),
    "retry_after": (_whole(0, 10_000_000), "whole seconds"),
    "provider": (_provider, f"one of {', '.join(PROVIDERS)}"),
    "place": (_place, "latitude,longitude in degrees, without a space"),
    "key": (str, "an API key"),
    "p": (_within(0, 1), "a probability from 0 to 1"),
    "count": (_whole(0, 1_000_000_000), "a whole number of calls"),
    "since": (_instant, "an instant with a time zone, such as 2026-01-01T00:00Z"),
    "until": (_instant, "an instant with a time zone, such as 2026-01-01T00:00Z"),
}

"""What goes back to the client, and how a fault changes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from .rules import Rule
from .sides import error

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
_PAGE = b"<html>\r\n<head><title>%d</title></head>\r\n<body><center><h1>%d</h1></center><hr>openresty</body>\r\n</html>\r\n"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP answer, and what befalls the connection instead of or around it."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    #: Time to wait before anything is sent [s].
    delay: float = 0.0
    #: Time over which the body is sent byte by byte [s].
    spread: float = 0.0
    #: "silence" sends nothing until one side goes, "reset" breaks the connection.
    fate: Literal["sent", "silence", "reset"] = "sent"


def as_json(status: int, body: Any) -> Answer:
    """An answer without a fault."""
    return Answer(status=status, body=msgspec.json.encode(body))


def spoil(rule: Rule, provider: str, reply: Callable[[], tuple[int, Any]]) -> Answer:
    """The answer under a rule; ``reply`` makes the proper status and body where the fault starts from them."""
    match rule.kind:
        case "timeout":
            return Answer(fate="silence")
        case "reset":
            return Answer(fate="reset")
        case "status":
            answer = as_json(*error(provider, rule.code))
            after = () if rule.retry_after is None else (("Retry-After", str(rule.retry_after)),)
            return msgspec.structs.replace(answer, headers=after)
        case "html":
            return Answer(status=rule.code, body=_PAGE % (rule.code, rule.code), content_type=HTML)
        case "empty":
            return Answer()
        case _:
            return _damage(rule, *reply())


def _damage(rule: Rule, status: int, body: Any) -> Answer:
    """A proper answer with something wrong in its body."""
    match rule.kind:
        case "types":
            return as_json(status, _Mistyped().value(body))
        case "null":
            return as_json(status, _nulled(body))
    answer = as_json(status, body)
    text = answer.body
    match rule.kind:
        case "truncated":
            text = text[: len(text) // 2]
        case "broken_off":
            text = text[: len(text) // 2] + b"Unexpected error while streaming data: timeoutReached"
        case "huge":
            padding = b" " * max(0, int(rule.mb * 1_000_000) - len(text))
            text = text[:-1] + padding + text[-1:]
        case "encoding":
            text = text.decode().encode("utf-16")
    return msgspec.structs.replace(answer, body=text, spread=rule.ms / 1000 if rule.kind == "slow" else 0.0)


def _nulled(value: Any) -> Any:
    """The value with null for rain (OpenWeatherMap) or precipitation (the others) wherever it stands; units stay as they are."""
    if isinstance(value, list):
        return [_nulled(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: _null(item) if name in ("precip", "precipitation") else _nulled(item) for name, item in value.items()}
    return found | {"rain": None} if "dt" in found else found


def _null(amount: Any) -> Any:
    if isinstance(amount, list):
        return [None] * len(amount)
    return amount if isinstance(amount, str) else None


class _Mistyped:
    """Turns every number into a string and an object by turns."""

    def __init__(self) -> None:
        self._seen = 0

    def value(self, value: Any) -> Any:
        """``value`` with every number in it changed."""
        if isinstance(value, dict):
            return {name: self.value(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        self._seen += 1
        return str(value) if self._seen % 2 else {"value": value}
